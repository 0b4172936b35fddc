package quorum

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// Health is how far a server has come.
type Health struct {
	// LastContact is the time since the server heard of the leader: 0 on the
	// leader, below 0 if it never did.
	LastContact time.Duration
	// LastIndex is the index of the last entry of its log, LastTerm the term of
	// that entry.
	LastTerm, LastIndex uint64
}

// Health tells how far this server has come.
func (q *Quorum) Health() Health {
	h := Health{LastContact: q.LastContact(), LastTerm: q.LastTerm(), LastIndex: q.LastIndex()}
	if h.LastContact == never {
		h.LastContact = -1
	}
	return h
}

// LastTerm is the term of the last entry in this server's log; 0 when it has none.
func (q *Quorum) LastTerm() uint64 {
	term, _ := lastEntry(q.raft)
	return term
}

// lastEntry is the end of the log.
func lastEntry(r *raft.Raft) (term, index uint64) {
	stats := r.Stats()
	term, _ = strconv.ParseUint(stats["last_log_term"], 10, 64) // Raft's own: it is a number
	index, _ = strconv.ParseUint(stats["last_log_index"], 10, 64)
	return term, index
}

// Contact has this leader send each of the other members a message now, and
// returns when all have answered or failed, or when ctx ends. Raft itself leaves
// them alone for a while when there is nothing to say; who wants to know
// whether they hear the leader makes it speak first.
func (q *Quorum) Contact(ctx context.Context) {
	term, leading := q.leadingTerm()
	if !leading || !q.gate.enter() {
		return
	}
	servers, _ := q.configuration()
	var all sync.WaitGroup
	for _, s := range servers {
		if string(s.ID) != q.id {
			all.Add(1)
			q.beat(s, term, all.Done)
		}
	}
	answered := make(chan struct{})
	q.wg.Go(func() {
		all.Wait()
		close(answered)
	})
	q.gate.leave()
	select {
	case <-answered:
	case <-ctx.Done():
	}
}

// beat sends one server a heartbeat, unless an earlier one is still unanswered.
// done is called when that is over. The caller is a goroutine of this room, or
// inside the gate.
func (q *Quorum) beat(to raft.Server, term uint64, done func()) {
	c := &q.confirm
	c.mu.Lock()
	busy := c.flying[to.ID]
	c.flying[to.ID] = true
	c.mu.Unlock()
	if busy {
		done()
		return
	}
	q.wg.Go(func() {
		// Raft logs the errors that it gets itself.
		_ = q.transport.AppendEntries(to.ID, to.Address,
			&raft.AppendEntriesRequest{RPCHeader: q.transport.header(), Term: term},
			&raft.AppendEntriesResponse{})
		c.mu.Lock()
		delete(c.flying, to.ID)
		c.mu.Unlock()
		done()
	})
}
