package log

import (
	"bytes"
	"sync"

	"github.com/hashicorp/go-hclog"
)

// A Monitor receives the lines of a Log at a level of its own, independent of
// what the agent writes elsewhere. A reader that is too slow loses lines and
// finds one in their place that says how many.
type Monitor struct {
	log   *Log
	sink  hclog.SinkAdapter
	lines chan []byte

	mu      sync.Mutex
	dropped int
	told    bytes.Buffer // where notice writes
	notice  hclog.Logger
	close   sync.Once
}

// Monitor starts to watch. At most buffer lines (at least 1) wait for the
// reader. The caller must Close it.
func (l *Log) Monitor(level string, json bool, buffer int) (*Monitor, error) {
	lv, err := ParseLevel(level)
	if err != nil {
		return nil, err
	}
	m := &Monitor{log: l, lines: make(chan []byte, max(buffer, 1))}
	m.notice = hclog.New(&hclog.LoggerOptions{
		Name: l.Name() + ".monitor", JSONFormat: json, Output: &m.told, TimeFn: l.now,
	})
	m.sink = hclog.NewSinkAdapter(&hclog.LoggerOptions{Level: lv, JSONFormat: json, Output: m, TimeFn: l.now})
	l.RegisterSink(m.sink)
	return m, nil
}

// Lines delivers whole lines with their newline, for ever: it is not closed.
func (m *Monitor) Lines() <-chan []byte { return m.lines }

// Close ends the watch.
func (m *Monitor) Close() { m.close.Do(func() { m.log.DeregisterSink(m.sink) }) }

// Write takes one line from the sink. It never blocks: whoever logs waits for it.
func (m *Monitor) Write(line []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dropped > 0 {
		m.told.Reset()
		m.notice.Warn("the reader is too slow, lines were dropped", "count", m.dropped)
		if !m.offer(m.told.Bytes()) {
			m.dropped++
			return len(line), nil
		}
		m.dropped = 0
	}
	if !m.offer(line) {
		m.dropped++
	}
	return len(line), nil
}

// offer queues a copy of a line, or reports that there is no room.
func (m *Monitor) offer(line []byte) bool {
	select {
	case m.lines <- bytes.Clone(line):
		return true
	default:
		return false
	}
}
