package quorum

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"muster/internal/memdisk"
)

// TestLogOutlivesCrashes appends, cuts at both ends and crashes at random, in
// the middle of things too: what was appended and not cut must be there after
// every crash, and the log must take more. What was under way may have happened
// or not.
func TestLogOutlivesCrashes(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			c := &logCrasher{t: t, rand: rand.New(rand.NewPCG(seed, 7)), disk: memdisk.New(seed), model: logModel{first: 1}}
			for range 12 {
				c.life()
			}
		})
	}
}

// A logModel is what the log must hold: entries from first on, whose contents are
// texts.
type logModel struct {
	first   uint64
	entries []string
}

func (m *logModel) next() uint64 { return m.first + uint64(len(m.entries)) }

type logCrasher struct {
	t     *testing.T
	rand  *rand.Rand
	disk  *memdisk.Disk
	model logModel
	other *logModel // what the log may hold instead, after a crash in the middle
	made  int
}

// life opens the log, compares it, and uses it until a crash.
func (c *logCrasher) life() {
	user := c.disk.Open()
	log, err := OpenLog("wal", user, user, 1<<10, hclog.NewNullLogger(), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	if c.other != nil && compareLog(log, c.other) == nil {
		c.model = *c.other
	}
	c.other = nil
	if err := compareLog(log, &c.model); err != nil {
		c.t.Fatal(err)
	}
	var crashed atomic.Bool // the log works in the background, too
	c.disk.CrashAfter(1+c.rand.IntN(60), c.rand.IntN(2) == 0, func() { crashed.Store(true) })
	for range c.rand.IntN(40) {
		before := c.model
		if c.rand.IntN(6) == 0 && len(c.model.entries) > 0 {
			c.cut(log)
		} else {
			c.append(log)
		}
		if crashed.Load() {
			c.other = &before
			return
		}
	}
	c.disk.Crash(c.rand.IntN(2) == 0)
}

func (c *logCrasher) append(log *Log) {
	batch := []*raft.Log{}
	for range 1 + c.rand.IntN(4) {
		c.made++
		text := fmt.Sprint(c.made, string(make([]byte, c.rand.IntN(200))))
		batch = append(batch, &raft.Log{Index: c.model.next(), Term: 1, Data: []byte(text)})
		c.model.entries = append(c.model.entries[:len(c.model.entries):len(c.model.entries)], text)
	}
	if err := log.StoreLogs(batch); err != nil {
		c.t.Fatal(err)
	}
}

// cut forgets entries at one end.
func (c *logCrasher) cut(log *Log) {
	m, n := &c.model, uint64(c.rand.IntN(len(c.model.entries)))
	var err error
	if c.rand.IntN(2) == 0 { // a new leader's log differs
		last := m.next() - 1
		err = log.DeleteRange(last-n, last)
		m.entries = m.entries[:uint64(len(m.entries))-n-1]
	} else { // a snapshot was made
		err = log.DeleteRange(m.first, m.first+n)
		m.entries = m.entries[n+1:]
		m.first += n + 1
	}
	if err != nil {
		c.t.Fatal(err)
	}
	if len(m.entries) == 0 { // an empty log begins anywhere
		m.first = uint64(1 + c.rand.IntN(100))
	}
}

func compareLog(log *Log, m *logModel) error {
	first, err := log.FirstIndex()
	last, err2 := log.LastIndex()
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if len(m.entries) == 0 {
		if first != 0 || last != 0 {
			return fmt.Errorf("an empty log goes from %d to %d", first, last)
		}
		return nil
	}
	if first != m.first || last != m.next()-1 {
		return fmt.Errorf("the log goes from %d to %d, not from %d to %d", first, last, m.first, m.next()-1)
	}
	for i, text := range m.entries {
		var l raft.Log
		if err := log.GetLog(m.first+uint64(i), &l); err != nil || string(l.Data) != text {
			return fmt.Errorf("entry %d of %d to %d: %v", m.first+uint64(i), m.first, m.next()-1, err)
		}
	}
	return nil
}
