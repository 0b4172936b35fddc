//go:build unix

package sink

import (
	"errors"
	"log/syslog"
	"strings"
	"testing"
)

// A machine without a system logger is told what is missing, and what to do.
func TestSyslogMissing(t *testing.T) {
	gone := errors.New("Unix syslog delivery error")
	_, err := openSyslog(syslog.LOG_INFO, "muster", func(syslog.Priority, string) (*syslog.Writer, error) { return nil, gone })
	if !errors.Is(err, gone) || !strings.Contains(err.Error(), "enable_syslog") || !strings.Contains(err.Error(), "/dev/log") {
		t.Error(err)
	}
}
