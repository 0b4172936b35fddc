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

// A Duty is what a leader does. Run is called once a term, never twice at a
// time, and returns soon after ctx ends: the next term waits for it.
type Duty interface {
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
	for ctx.Err() == nil {
		status, changed := l.log.Status()
		if status.Ready {
			l.serve(ctx, status.Term)
		}
		select {
		case <-changed:
		case <-ctx.Done():
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
	for ctx.Err() == nil {
		status, changed := l.log.Status()
		if !status.Ready || status.Term != term {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	cancel()
	running.Wait()
	l.logger.Info("cluster leadership lost", "term", term)
}

// proposer encodes commands for the log.
type proposer struct{ log Log }

// propose returns when the command is applied. Errors are those of
// quorum.Propose, or what the state has to say against the command.
func (p proposer) propose(ctx context.Context, t model.CommandType, command any) error {
	data, err := state.Encode(t, command)
	if err != nil {
		return err
	}
	result, _, err := p.log.Propose(ctx, data)
	if err != nil {
		return err
	}
	switch r := result.(type) {
	case error:
		return r
	case *model.TxnResponse:
		if len(r.Errors) > 0 {
			return r.Errors[0]
		}
	}
	return nil
}

// atOnce is how many proposals of a duty are under way at a time: enough for
// the log to agree on them together, and few enough to leave room for requests.
const atOnce = 32

// each calls do with 0 to n-1, several at a time, and waits for all.
func each(n int, do func(i int)) {
	if n == 1 {
		do(0)
		return
	}
	next := make(chan int)
	var running sync.WaitGroup
	for range min(n, atOnce) {
		running.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	running.Wait()
}
