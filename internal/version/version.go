// Package version names this build: muster's own version, the release of
// Consul whose interfaces it offers, and the commit it was built from.
package version

import (
	"runtime/debug"
	"time"
)

const (
	// Version is muster's own version (semantic versioning, without a "v").
	Version = "0.1.0"
	// Compatible is the release of Consul whose HTTP API, DNS names, commands
	// and configuration this version of muster offers.
	Compatible = "1.22.0"
)

// Full is the version that agents show to each other and to clients. Clients
// compare the part before the "+" with the release a feature appeared in;
// semantic versioning ignores what follows it.
func Full() string { return Compatible + "+muster." + Version }

// Build says what the running binary was built from.
type Build struct {
	// Revision is the first eight digits of the commit, with "-dirty" if the
	// checkout had changes; "" if the toolchain recorded none, as in tests.
	Revision string
	// Date is the time of that commit; zero if unknown.
	Date time.Time
}

// ReadBuild looks the build up in the running binary.
func ReadBuild() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Build{}
	}
	return fromSettings(info.Settings)
}

func fromSettings(settings []debug.BuildSetting) Build {
	values := map[string]string{}
	for _, s := range settings {
		values[s.Key] = s.Value
	}
	var b Build
	if b.Revision = values["vcs.revision"]; len(b.Revision) > 8 {
		b.Revision = b.Revision[:8]
	}
	if b.Revision != "" && values["vcs.modified"] == "true" {
		b.Revision += "-dirty"
	}
	if t, err := time.Parse(time.RFC3339, values["vcs.time"]); err == nil {
		b.Date = t.UTC()
	}
	return b
}
