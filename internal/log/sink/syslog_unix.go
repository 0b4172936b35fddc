//go:build unix

package sink

import (
	"fmt"
	"log/syslog"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// SyslogConfig names the facility (KERN, USER, DAEMON, LOCAL0 to LOCAL7, ...
// in any case) and the tag of the lines.
type SyslogConfig struct{ Facility, Tag string }

// facilities in the order of their codes (RFC 3164, 4.1.1).
const facilities = "KERN USER MAIL DAEMON AUTH SYSLOG LPR NEWS UUCP CRON AUTHPRIV FTP " +
	"- - - - LOCAL0 LOCAL1 LOCAL2 LOCAL3 LOCAL4 LOCAL5 LOCAL6 LOCAL7"

// A Syslog is a connection to the system logger of this machine.
type Syslog struct{ *syslog.Writer }

// OpenSyslog connects. An unknown facility and a machine without a system
// logger are errors.
func OpenSyslog(c SyslogConfig) (*Syslog, error) {
	for code, name := range strings.Fields(facilities) {
		if name == strings.ToUpper(c.Facility) && name != "-" {
			return openSyslog(syslog.Priority(code<<3)|syslog.LOG_INFO, c.Tag, syslog.New)
		}
	}
	return nil, fmt.Errorf("unknown facility %q", c.Facility)
}

// openSyslog connects by a function like syslog.New, whose error does not say what
// is missing.
func openSyslog(p syslog.Priority, tag string, connect func(syslog.Priority, string) (*syslog.Writer, error)) (*Syslog, error) {
	w, err := connect(p, tag)
	if err != nil {
		return nil, fmt.Errorf("no system logger listens at /dev/log, /var/run/syslog or /var/run/log: start one, or set enable_syslog to false: %w", err)
	}
	return &Syslog{w}, nil
}

// LevelWrite gives a line the severity of its level.
func (s *Syslog) LevelWrite(level hclog.Level, line []byte) (int, error) {
	write := s.Info
	switch level {
	case hclog.Trace, hclog.Debug:
		write = s.Debug
	case hclog.Warn:
		write = s.Warning
	case hclog.Error:
		write = s.Err
	}
	return len(line), write(string(line))
}
