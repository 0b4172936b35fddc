package gossip

import (
	"bytes"
	"io"
	stdlog "log"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/internal/log"
)

// tellConflict is how often one conflict of names is told.
const tellConflict = time.Minute

// A conflictLog is where the libraries log. What they say of two agents with one
// name, in three wordings with each message that they hear, becomes one line a
// minute that says what to do; everything else passes.
type conflictLog struct {
	to  io.Writer
	log hclog.Logger

	mu   sync.Mutex
	told map[string]time.Time // when, by name and addresses
}

// logger is the logger of a library, under its name.
func (p *Pool) logger(library hclog.Logger) *stdlog.Logger {
	return stdlog.New(&conflictLog{to: log.Standard(library).Writer(), log: p.log, told: map[string]time.Time{}}, "", 0)
}

var (
	nameTaken  = regexp.MustCompile(`serf: Node name conflicts with another node at (\S+)\. Names must be unique`)
	namesClash = regexp.MustCompile(`serf: Name conflict for '(.*)' both (\S+) and (\S+) are claiming`)
)

// Write takes one line.
func (c *conflictLog) Write(line []byte) (int, error) {
	if !bytes.Contains(line, []byte("onflict")) {
		return c.to.Write(line)
	}
	text := string(line)
	if strings.Contains(text, "memberlist: Conflicting address for ") {
		return len(line), nil // serf says the same again
	}
	if m := nameTaken.FindStringSubmatch(text); m != nil {
		if c.due(m[1]) {
			c.log.Error("another agent has the name of this one: give one of them another (node_name, or -node) and restart it; "+
				"until then the others know only one of the two", "other", m[1])
		}
		return len(line), nil
	}
	if m := namesClash.FindStringSubmatch(text); m != nil {
		if c.due(m[0]) {
			c.log.Error("two agents have one name, and only the first counts: give one of them another (node_name, or -node) and restart it",
				"name", m[1], "first", m[2], "second", m[3])
		}
		return len(line), nil
	}
	return c.to.Write(line)
}

// due tells whether a conflict is to be told again, and forgets those of old.
func (c *conflictLog) due(conflict string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for k, at := range c.told {
		if now.Sub(at) >= tellConflict {
			delete(c.told, k)
		}
	}
	_, told := c.told[conflict]
	if !told {
		c.told[conflict] = now
	}
	return !told
}
