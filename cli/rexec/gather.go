package rexec

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

// gatherer prints the answers of the nodes as they come.
type gatherer struct {
	c       *command.Call
	client  *api.Client
	at      string // the prefix of the job's keys, with a slash at the end
	quiet   time.Duration
	verbose bool

	running map[string]bool // nodes that began and have not ended
	acked   int
	exited  int
	failed  bool
}

// answers are the keys that are new since the last time, or an error.
type answers struct {
	keys []string
	err  error
}

// run gathers until nothing has come for a while and no node that began is
// still at it, or a signal comes.
func (g *gatherer) run(signals <-chan os.Signal) int {
	g.running = map[string]bool{}
	ctx, cancel := context.WithCancel(context.Background())
	lists := make(chan answers)
	go g.poll(ctx, lists)
	defer func() {
		cancel()
		for range lists { // until poll has ended
		}
	}()
	silence := time.NewTimer(g.quiet)
	defer silence.Stop()
	for {
		select {
		case list := <-lists:
			if list.err == nil {
				list.err = g.handle(list.keys)
			}
			if list.err != nil {
				return g.c.Fail("Failed to read the nodes' answers: %s", list.err)
			}
			silence.Reset(g.quiet)
		case <-silence.C:
			g.forgetDead()
			if len(g.running) == 0 {
				return g.end()
			}
			silence.Reset(g.quiet)
		case <-signals:
			g.end()
			return command.ExitError
		}
	}
}

func (g *gatherer) end() int {
	g.c.Printf("%d / %d node(s) completed / acknowledged", g.exited, g.acked)
	if g.failed {
		return command.ExitSpecial
	}
	return 0
}

// poll sends the keys that come up under the prefix until the context ends,
// and closes the channel.
func (g *gatherer) poll(ctx context.Context, lists chan<- answers) {
	defer close(lists)
	known := map[string]bool{}
	query := (&api.QueryOptions{}).WithContext(ctx)
	for ctx.Err() == nil {
		keys, meta, err := g.client.KV().Keys(g.at, "", query)
		list := answers{err: err}
		for _, key := range keys {
			if !known[key] {
				known[key] = true
				list.keys = append(list.keys, key)
			}
		}
		if err == nil {
			query.WaitIndex = meta.LastIndex
		}
		if err == nil && len(list.keys) == 0 {
			continue
		}
		select {
		case lists <- list:
		case <-ctx.Done():
		}
		if err != nil {
			return
		}
	}
}

// handle prints what the keys say: what a node has printed comes before how
// it ended.
func (g *gatherer) handle(keys []string) error {
	var exits []string
	for _, key := range keys {
		node, what, ok := strings.Cut(strings.TrimPrefix(key, g.at), "/")
		switch {
		case !ok: // the job
		case what == "ack":
			g.acked++
			g.running[node] = true
			if g.verbose {
				g.c.Printf("==> %s: acknowledged", node)
			}
		case strings.HasPrefix(what, "out/"):
			pair, _, err := g.client.KV().Get(key, nil)
			if err != nil {
				return err
			}
			if pair != nil && len(pair.Value) > 0 { // an empty one only says that the node is still at it
				g.c.Println(output(node, string(pair.Value)))
			}
		case what == "exit":
			exits = append(exits, node)
		}
	}
	for _, node := range exits {
		pair, _, err := g.client.KV().Get(g.at+node+"/exit", nil)
		if err != nil {
			return err
		}
		code := -1
		if pair != nil {
			if n, err := strconv.Atoi(strings.TrimSpace(string(pair.Value))); err == nil {
				code = n
			}
		}
		g.exited++
		delete(g.running, node)
		g.failed = g.failed || code != 0
		g.c.Printf("==> %s: finished with exit code %d", node, code)
	}
	return nil
}

// forgetDead stops waiting for nodes that have failed since they began.
func (g *gatherer) forgetDead() {
	for node := range g.running {
		checks, _, err := g.client.Health().Node(node, nil)
		alive := false
		for _, check := range checks {
			alive = alive || check.CheckID == "serfHealth" && check.Status == api.HealthPassing
		}
		if err != nil || !alive {
			delete(g.running, node)
			g.failed = true
			g.c.Printf("==> %s: lost", node)
		}
	}
}
