// Package leader holds the duties that exist only while this server leads, one
// file each. A duty begins anew with every term: it takes nothing over from an
// earlier one but what is in the state.
package leader

import (
	"context"
	"sync"

	"github.com/hashicorp/go-hclog"

	"muster/model"
	"muster/quorum"
	"muster/state"
)

// Log is where duties propose commands and learn whether this server leads:
// quorum.Quorum.
type Log interface {
	Propose(ctx context.Context, data []byte) (result any, index uint64, err error)
	Status() (quorum.Status, <-chan struct{})
}

// A Duty is what a leader does until ctx ends.
type Duty interface {
	Name() string
	Run(ctx context.Context)
}

// Leader runs the duties while this server leads.
type Leader struct {
	log    Log
	duties []Duty
	logger hclog.Logger

	stop context.CancelFunc
	done chan struct{}
}

// Start begins to watch whether this server leads.
func Start(log Log, logger hclog.Logger, duties ...Duty) *Leader {
	ctx, stop := context.WithCancel(context.Background())
	l := &Leader{log: log, duties: duties, logger: logger, stop: stop, done: make(chan struct{})}
	go l.watch(ctx)
	return l
}

// Close ends the duties and waits for them.
func (l *Leader) Close() {
	l.stop()
	<-l.done
}

func (l *Leader) watch(ctx context.Context) {
	defer close(l.done)
	for {
		status, changed := l.log.Status()
		if status.Ready {
			l.serve(ctx, status.Term)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// serve runs the duties until this server no longer leads in the given term.
func (l *Leader) serve(ctx context.Context, term uint64) {
	l.logger.Info("cluster leadership acquired", "term", term)
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, d := range l.duties {
		running.Go(func() { d.Run(ctx) })
	}
	for {
		status, changed := l.log.Status()
		if !status.Ready || status.Term != term {
			break
		}
		select {
		case <-changed:
			continue
		case <-ctx.Done():
		}
		break
	}
	cancel()
	running.Wait()
	l.logger.Info("cluster leadership lost", "term", term)
}

// proposer encodes commands for the log.
type proposer struct{ log Log }

func (p proposer) propose(ctx context.Context, t model.CommandType, command any) error {
	data, err := state.Encode(t, command)
	if err != nil {
		return err
	}
	result, _, err := p.log.Propose(ctx, data)
	if err != nil {
		return err
	}
	if err, ok := result.(error); ok {
		return err
	}
	return nil
}
