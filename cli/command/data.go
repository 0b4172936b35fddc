package command

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// Data resolves an argument that may stand for something longer: "@file" is
// the content of the file, "-" is standard input, and everything else is
// itself.
func (c *Call) Data(arg string) (string, error) {
	switch {
	case arg == "-":
		data, err := io.ReadAll(c.Stdin)
		if err != nil {
			return "", &loadError{"Failed to read stdin", err}
		}
		return string(data), nil
	case strings.HasPrefix(arg, "@"):
		data, err := os.ReadFile(arg[1:])
		if err != nil {
			return "", &loadError{"Failed to read file", err}
		}
		return string(data), nil
	}
	return arg, nil
}

type loadError struct {
	what string
	err  error
}

func (e *loadError) Error() string { return e.what + ": " + e.err.Error() }

func (e *loadError) Unwrap() error { return e.err }

// StringsVar declares a flag that may be given several times.
func StringsVar(f *flag.FlagSet, to *[]string, name, usage string) {
	f.Var((*repeated)(to), name, usage)
}

type repeated []string

func (r *repeated) String() string { return strings.Join(*r, ",") }

func (r *repeated) Set(v string) error {
	*r = append(*r, v)
	return nil
}

// PairsVar declares a flag that may be given several times as key=value, and
// as key:value where colons is set.
func PairsVar(f *flag.FlagSet, to *map[string]string, colons bool, name, usage string) {
	f.Var(&pairs{to, colons}, name, usage)
}

type pairs struct {
	to     *map[string]string
	colons bool
}

func (p *pairs) String() string { return "" }

func (p *pairs) Set(v string) error {
	separators := "="
	if p.colons {
		separators = "=:"
	}
	at := strings.IndexAny(v, separators)
	if at < 0 {
		return fmt.Errorf("missing \"=\" in argument: %q", v)
	}
	if *p.to == nil {
		*p.to = map[string]string{}
	}
	(*p.to)[v[:at]] = v[at+1:]
	return nil
}

// NoArgs checks that no arguments follow the flags; if there are any it says
// so on standard error and returns false.
func (c *Call) NoArgs() bool { return c.atMost(0) }

// OneArg checks that at most one argument follows the flags.
func (c *Call) OneArg() bool { return c.atMost(1) }

func (c *Call) atMost(n int) bool {
	if len(c.Args) > n {
		c.Fail("Too many arguments (expected %d, got %d)", n, len(c.Args))
		return false
	}
	return true
}
