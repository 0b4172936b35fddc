package check

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"muster/internal/process"
	"muster/model"
)

// scriptProbe runs a program: exit code 0 is passing, 1 a warning, all else
// critical. At the timeout it is killed with all that it started.
type scriptProbe struct {
	noState
	command   []string
	outputMax int
}

func (p *scriptProbe) probe(ctx context.Context) (status, output string) {
	out := &process.Tail{Max: p.outputMax}
	begin := time.Now()
	err := runCommand(ctx, p.command, out)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		deadline, _ := ctx.Deadline()
		text := fmt.Sprintf("Timed out (%s) running check", deadline.Sub(begin).Round(time.Millisecond))
		if s := out.Report(); s != "" {
			text += "\n" + s
		}
		return model.HealthCritical, text
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return model.HealthPassing, out.Report()
	case errors.As(err, &exit) && exit.ExitCode() == 1:
		return model.HealthWarning, out.Report()
	case errors.As(err, &exit):
		return model.HealthCritical, out.Report()
	}
	return model.HealthCritical, err.Error()
}

// runCommand runs a program to its end, or to that of the context, and writes
// its output and errors to out.
func runCommand(ctx context.Context, command []string, out *process.Tail) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	return process.Run(ctx, cmd, 0)
}
