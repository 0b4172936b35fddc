package quorum

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// A transport stands between Raft and the network and keeps the promises that
// leases rest on: it notes which server answered a heartbeat of ours and when
// that was sent, and it lets no vote pass, in or out, while this server is
// bound to a leader. Raft's own refusal to vote while it knows a leader is not
// enough: it forgets the leader when it restarts, and it decides about votes
// and heartbeats in goroutines of their own.
type transport struct {
	raft.Transport
	prevote raft.WithPreVote
	id      string
	address raft.ServerAddress
	lease   *lease
	rpcs    chan raft.RPC
	raft    atomic.Pointer[raft.Raft]

	spreader spreader
	mourner  mourner
	// unmarked is the term of an election that this server began by itself,
	// although Raft takes it for a transfer of leadership; 0: none.
	unmarked atomic.Uint64
	stalled  func() bool // the log does not answer

	mu    sync.Mutex
	bound time.Time // when a leader was last heard

	stop     chan struct{}
	stopOnce sync.Once
	wg       sync.WaitGroup // the goroutine of start
	calls    gate           // calls of TimeoutNow and of the heartbeat handler
}

var errBound = errors.New("bound to a leader")

// newTransport makes a transport of inner. An empty address is inner's own.
func newTransport(inner raft.Transport, id, address string, l *lease, stalled func() bool) (*transport, error) {
	prevote, ok := inner.(raft.WithPreVote)
	if !ok {
		return nil, errors.New("raft transport without pre-vote")
	}
	if address == "" {
		address = string(inner.LocalAddr())
	}
	t := &transport{
		Transport: inner,
		prevote:   prevote,
		id:        id,
		address:   raft.ServerAddress(address),
		lease:     l,
		stalled:   stalled,
		rpcs:      make(chan raft.RPC),
		stop:      make(chan struct{}),
	}
	t.spreader.init()
	return t, nil
}

// start lets messages through to r.
func (t *transport) start(r *raft.Raft) {
	t.raft.Store(r)
	t.wg.Go(func() {
		for {
			select {
			case rpc := <-t.Transport.Consumer():
				t.receive(rpc)
			case <-t.stop:
				return
			}
		}
	})
}

// Close stops the messages. Raft calls it when it has stopped.
func (t *transport) Close() error {
	t.stopOnce.Do(func() { close(t.stop) })
	t.calls.close()
	t.wg.Wait()
	if c, ok := t.Transport.(interface{ CloseStreams() }); ok {
		c.CloseStreams() // Close leaves the connections open
	}
	if c, ok := t.Transport.(raft.WithClose); ok {
		return c.Close()
	}
	return nil
}

// LocalAddr is where the other servers reach this one.
func (t *transport) LocalAddr() raft.ServerAddress { return t.address }

// Consumer is where Raft gets the messages from.
func (t *transport) Consumer() <-chan raft.RPC { return t.rpcs }

// SetHeartbeatHandler is given Raft's short cut for heartbeats.
func (t *transport) SetHeartbeatHandler(handle func(raft.RPC)) {
	t.Transport.SetHeartbeatHandler(func(rpc raft.RPC) {
		// It runs beside Raft, also after that has stopped, and panics if what it
		// learns can't be kept: the store must not be closed before it is done.
		if !t.calls.enter() {
			rpc.Respond(nil, raft.ErrRaftShutdown)
			return
		}
		defer t.calls.leave()
		if cmd, ok := rpc.Command.(*raft.AppendEntriesRequest); ok {
			t.hear(cmd.Term)
		}
		handle(rpc)
	})
}

// AppendEntries sends a heartbeat or entries.
func (t *transport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	if t.stalled() {
		return errStalled // let the others elect somebody
	}
	if len(args.Entries) > 0 {
		defer t.spreader.sends(id)()
	}
	sent := time.Now()
	err := t.Transport.AppendEntries(id, target, args, resp)
	if err == nil && resp.Success && resp.Term == args.Term {
		t.lease.answered(id, args.Term, sent)
		t.spreader.accepted(id, target, args)
	}
	return err
}

// AppendEntriesPipeline has Raft send one message after the other to a follower.
// Entries that come up meanwhile share the next message, which costs no
// throughput; and Raft's pipeline can block for ever: when a follower refuses a
// message, nobody takes in the answers to those that were sent after it.
func (t *transport) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

// RequestVote asks for a vote, unless this server is bound.
func (t *transport) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	if args.LeadershipTransfer && args.Term == t.unmarked.Load() {
		own := *args
		own.LeadershipTransfer = false
		args = &own
	}
	if !args.LeadershipTransfer && t.isBound() {
		return errBound
	}
	return t.Transport.RequestVote(id, target, args, resp)
}

// RequestPreVote asks whether a vote would be given, unless this server is bound.
func (t *transport) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	if t.isBound() {
		return errBound
	}
	return t.prevote.RequestPreVote(id, target, args, resp)
}

// TimeoutNow tells the target to take over. It carries the term in which this
// server gave up its lease, so that it does nothing if it comes in late.
func (t *transport) TimeoutNow(id raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, _ *raft.TimeoutNowResponse) error {
	term := t.lease.handOver()
	if term == 0 {
		return errors.New("leadership is not being transferred")
	}
	stamped := *args
	stamped.Addr = strconv.AppendUint(nil, term, 10)
	// Raft refuses all writes until it has an answer.
	if !t.calls.enter() {
		return errClosed
	}
	done := make(chan error, 1)
	go func() {
		defer t.calls.leave()
		done <- t.Transport.TimeoutNow(id, target, &stamped, &raft.TimeoutNowResponse{})
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(electionTimeout):
		return errors.New("no answer")
	}
}

// timeoutSelf makes this server's Raft begin an election now.
func (t *transport) timeoutSelf() {
	t.forward(raft.RPC{
		Command:  &raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}},
		RespChan: make(chan raft.RPCResponse, 1),
	})
}

// receive passes on a message that came in.
func (t *transport) receive(rpc raft.RPC) {
	switch cmd := rpc.Command.(type) {
	case *raft.AppendEntriesRequest:
		t.hear(cmd.Term)
	case *raft.InstallSnapshotRequest:
		t.hear(cmd.Term)
	case *raft.RequestPreVoteRequest:
		if t.isBound() {
			rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: t.header(), Term: t.term()}, nil)
			return
		}
		if t.mourns(rpc, cmd) {
			return
		}
	case *raft.RequestVoteRequest:
		if !cmd.LeadershipTransfer {
			t.vote(rpc)
			return
		}
	case *raft.TimeoutNowRequest:
		if term, err := strconv.ParseUint(string(cmd.Addr), 10, 64); err != nil || term != t.term() {
			rpc.Respond(nil, fmt.Errorf("transfer of another term than %d", t.term()))
			return
		}
	}
	t.forward(rpc)
}

func (t *transport) forward(rpc raft.RPC) bool {
	select {
	case t.rpcs <- rpc:
		return true
	case <-t.stop: // nobody will answer; the sender gives up by itself
		return false
	}
}

// vote has Raft decide about a vote, and takes a yes back when a leader was
// heard meanwhile. When the yes goes out, Raft has already entered the new
// term: it refuses a heartbeat of the old one that is noted after that.
func (t *transport) vote(rpc raft.RPC) {
	no := &raft.RequestVoteResponse{RPCHeader: t.header(), Term: t.term()}
	if t.isBound() {
		rpc.Respond(no, nil)
		return
	}
	cmd := rpc.Command.(*raft.RequestVoteRequest)
	mourns := t.mourner.knows(t.term())
	if mourns {
		if !t.mourner.vote() {
			rpc.Respond(no, nil)
			return
		}
		// Raft would refuse: it has not missed the leader for long enough. No
		// promise stands against this vote, which is more than Raft asks for.
		free := *cmd
		free.LeadershipTransfer = true
		rpc.Command = &free
	}
	answer := make(chan raft.RPCResponse, 1)
	if !t.forward(raft.RPC{Command: rpc.Command, Reader: rpc.Reader, RespChan: answer}) {
		return
	}
	select {
	case a := <-answer:
		resp, ok := a.Response.(*raft.RequestVoteResponse)
		if ok && resp.Granted && t.isBound() {
			no.Term = resp.Term
			a.Response = no
		}
		if mourns && !(ok && resp.Granted) {
			t.mourner.unvote()
		}
		rpc.RespChan <- a
	case <-t.stop:
	}
}

// hear notes a message of the leader of the given term.
func (t *transport) hear(term uint64) {
	if term >= t.term() {
		t.promise(time.Now())
	}
}

func (t *transport) promise(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bound = now
}

func (t *transport) isBound() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.bound.IsZero() && time.Since(t.bound) < promiseTime
}

func (t *transport) term() uint64 {
	if r := t.raft.Load(); r != nil {
		return r.CurrentTerm()
	}
	return 0
}

func (t *transport) header() raft.RPCHeader {
	return raft.RPCHeader{
		ProtocolVersion: raft.ProtocolVersionMax,
		ID:              []byte(t.id),
		Addr:            t.EncodePeer(raft.ServerID(t.id), t.address),
	}
}
