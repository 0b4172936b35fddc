package version

import (
	"runtime/debug"
	"testing"
	"time"
)

func TestFull(t *testing.T) {
	if got, want := Full(), Compatible+"+muster."+Version; got != want {
		t.Errorf("Full() = %q, want %q", got, want)
	}
}

func TestFromSettings(t *testing.T) {
	clean := []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"},
		{Key: "vcs.time", Value: "2026-11-22T10:11:12+01:00"},
		{Key: "vcs.modified", Value: "false"},
	}
	b := fromSettings(clean)
	if b.Revision != "01234567" {
		t.Errorf("Revision = %q", b.Revision)
	}
	if want := time.Date(2026, 11, 22, 9, 11, 12, 0, time.UTC); !b.Date.Equal(want) {
		t.Errorf("Date = %v, want %v", b.Date, want)
	}
	dirty := append(clean[:2:2], debug.BuildSetting{Key: "vcs.modified", Value: "true"})
	if got := fromSettings(dirty).Revision; got != "01234567-dirty" {
		t.Errorf("Revision of a changed checkout = %q", got)
	}
	if got := fromSettings(nil).Revision; got != "" {
		t.Errorf("Revision of nothing = %q", got)
	}
}
