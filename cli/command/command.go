// Package command is the frame that every command of the program hangs in:
// how it describes itself, what it is called with, how it reaches an agent
// and how it speaks to people and to pipes.
package command

import (
	"context"
	"flag"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/hashicorp/consul/api"
)

// Command is one command, such as "kv get". A new value is made for each run;
// its fields are what the flags are parsed into.
type Command interface {
	// Doc describes the command.
	Doc() Doc
	// Flags declares the command's own flags.
	Flags(f *flag.FlagSet)
	// Run does the work and returns the exit code.
	Run(c *Call) int
}

// Doc describes a command to people.
type Doc struct {
	// Usage is what is typed after the program's name.
	Usage string
	// Synopsis is one line for the list of commands.
	Synopsis string
	// Text is the explanation, in paragraphs, without indentation.
	Text string
	// Groups are the flags it shares with other commands.
	Groups Groups
	// RunsArgs says that the arguments are a command line of their own.
	RunsArgs bool
}

// Groups is a set of shared flags.
type Groups uint8

const (
	// HTTP are the flags that say which agent to ask, and as whom.
	HTTP Groups = 1 << iota
	// Server are the flags on which datacenter answers, and how fresh.
	Server
)

// Exit codes other than success.
const (
	// ExitError: the command failed, or was called wrongly.
	ExitError = 1
	// ExitSpecial: what the command's page of help says, such as "nothing
	// matches".
	ExitSpecial = 2
)

// NoFlags is embedded by commands that have no flags of their own.
type NoFlags struct{}

// Flags declares nothing.
func (NoFlags) Flags(*flag.FlagSet) {}

// World is what a command has of the world outside: where it reads and writes,
// which signals it hears and how it reaches an agent.
type World struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Notify subscribes to signals, as signal.Notify does; the function
	// returned ends the subscription.
	Notify func(...os.Signal) (<-chan os.Signal, func())
	// Dial opens connections to agents; nil is the real network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Call is one run of a command.
type Call struct {
	World
	// Args are the arguments after the flags.
	Args []string

	doc   Doc
	flags *flag.FlagSet
	conn  *connection
}

// IsSet tells whether the flag was given on the command line.
func (c *Call) IsSet(name string) bool {
	found := false
	c.flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// Client makes the client for the agent that flags and environment name. If
// that fails it says so on standard error and returns false.
func (c *Call) Client() (*api.Client, bool) {
	if err := tenancy(); err != nil {
		c.Fail("Error connecting to Consul agent: %s", err)
		return nil, false
	}
	conf := c.conn.config()
	if c.Dial != nil {
		conf.Transport.DialContext = c.Dial
	}
	client, err := api.NewClient(conf)
	if err != nil {
		c.Fail("Error connecting to Consul agent: %s", err)
		return nil, false
	}
	return client, true
}

// Datacenter is the value of -datacenter; "" is that of the agent.
func (c *Call) Datacenter() string { return c.conn.datacenter }

// Query are the options of a read: -stale, and -datacenter through the client.
func (c *Call) Query() *api.QueryOptions {
	return &api.QueryOptions{AllowStale: c.conn.stale}
}

// Interrupted returns a context that ends when a signal asks the command to
// stop. The function ends the subscription, and the context.
func (c *Call) Interrupted() (context.Context, func()) {
	signals, ignore := c.Notify(os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		ignore()
		cancel()
		<-ended
	}
}
