package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"strconv"
	"time"

	"github.com/hashicorp/consul/api/watch"
	"github.com/hashicorp/go-hclog"

	"muster/cli/child"
	"muster/cli/command"
)

// watchGrace is how long a handler may take to end when the watch is stopped.
const watchGrace = 5 * time.Second

type watcher struct {
	filter, key, name, passingOnly, prefix, service, state, kind string
	shell                                                        bool
	tags                                                         []string
}

func (w *watcher) Doc() command.Doc {
	return command.Doc{
		Usage:    "watch [options] [COMMAND...]",
		Synopsis: "Run a command whenever data changes",
		Text: `
Watches something in the cluster and runs the command with the data on its
standard input, as JSON, whenever it changes; the first time at once. The
environment holds CONSUL_INDEX, the index of the change.

    $ muster watch -type=key -key=config/port ./reload.sh
    $ muster watch -type=service -service=web -passingonly=true ./balance.sh

Without a command it prints the data once. It ends when the command fails.`,
		Groups:   command.HTTP | command.Server,
		RunsArgs: true,
	}
}

func (w *watcher) Flags(f *flag.FlagSet) {
	f.StringVar(&w.filter, "filter", "", "An `expression` that services, nodes or checks have to match.")
	f.StringVar(&w.key, "key", "", "The `key` to watch, for the type key.")
	f.StringVar(&w.name, "name", "", "The `name` of the event to watch, for the type event; otherwise all events.")
	f.StringVar(&w.passingOnly, "passingonly", "", "Whether to pass only healthy instances on, for the type service: a `bool`.")
	f.StringVar(&w.prefix, "prefix", "", "The `prefix` to watch, for the type keyprefix.")
	f.StringVar(&w.service, "service", "", "The `name` of the service to watch, for the types service and checks.")
	f.BoolVar(&w.shell, "shell", true, "Run the command by a shell; with -shell=false its words are a program and its arguments.")
	f.StringVar(&w.state, "state", "", "The `state` of the checks to watch, for the type checks: any, passing, warning or critical.")
	command.StringsVar(f, &w.tags, "tag", "A `tag` that instances have to have, for the type service. It may be given several times.")
	f.StringVar(&w.kind, "type", "", "The `type` of data to watch: key, keyprefix, services, nodes, service, checks or event.")
}

func (w *watcher) Run(c *command.Call) int {
	if w.kind == "" {
		return c.Usage("Watch type must be specified")
	}
	params, err := w.params(c)
	if err != nil {
		return c.Fail("Failed to parse passingonly: %s", err)
	}
	plan, err := watch.Parse(params)
	if err != nil {
		return c.Fail("%s", err)
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	if _, _, err := command.Self(client); err != nil {
		return c.Fail("Error querying Consul agent: %s", err)
	}
	code := 0
	ctx, stop := c.Interrupted()
	defer stop()
	plan.HybridHandler = func(index watch.BlockingParamVal, data any) {
		if len(c.Args) == 0 {
			code = c.JSON(data, "    ")
		} else {
			code = w.handle(ctx, c, index, data)
		}
		if code != 0 || len(c.Args) == 0 {
			plan.Stop()
		}
	}
	defer context.AfterFunc(ctx, plan.Stop)()
	logger := hclog.New(&hclog.LoggerOptions{Output: c.Stderr})
	err = plan.RunWithClientAndHclog(client, logger)
	if err != nil {
		return c.Fail("Error querying Consul agent: %s", err)
	}
	return code
}

// params are the flags under the names that a watch in a configuration file
// has for them.
func (w *watcher) params(c *command.Call) (map[string]any, error) {
	params := map[string]any{"type": w.kind}
	for name, value := range map[string]string{
		"filter": w.filter, "key": w.key, "name": w.name, "prefix": w.prefix, "service": w.service, "state": w.state,
	} {
		if value != "" {
			params[name] = value
		}
	}
	if len(w.tags) > 0 {
		params["tag"] = w.tags
	}
	if c.Query().AllowStale {
		params["stale"] = true
	}
	if w.passingOnly != "" {
		passing, err := strconv.ParseBool(w.passingOnly)
		if err != nil {
			return nil, err
		}
		params["passingonly"] = passing
	}
	return params, nil
}

// handle runs the command once. It returns an exit code for the watch, which
// is not 0 if the command failed.
func (w *watcher) handle(ctx context.Context, c *command.Call, index watch.BlockingParamVal, data any) int {
	var input bytes.Buffer
	if err := json.NewEncoder(&input).Encode(data); err != nil {
		return c.Fail("Error encoding output: %s", err)
	}
	spec := child.Spec{Args: c.Args, Shell: w.shell, Stdin: &input, Stdout: c.Stdout, Stderr: c.Stderr}
	if n, ok := index.(watch.WaitIndexVal); ok {
		spec.Env = []string{"CONSUL_INDEX=" + strconv.FormatUint(uint64(n), 10)}
	}
	process, err := child.Start(spec)
	if err != nil {
		return c.Fail("Error executing handler: %s", err)
	}
	select {
	case <-process.Done():
		if err := process.Err(); err != nil {
			return c.Fail("Error executing handler: %s", err)
		}
	case <-ctx.Done():
		process.Stop(watchGrace)
	}
	return 0
}
