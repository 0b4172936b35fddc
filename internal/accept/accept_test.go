package accept

import (
	"strings"
	"testing"
)

func TestGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "br, gzip": true, "*": true, "identity": false, "gzip;q=0": false,
		"gzip; q = 0.000": false, "gzip;q=0.5": true, "*;q=0": false, "*, gzip;q=0": false, "gzip, *;q=0": true,
	} {
		if Gzip([]string{header}) != want {
			t.Errorf("%q: %v", header, !want)
		}
	}
}

func FuzzGzip(f *testing.F) {
	f.Add("gzip;q=0.1, *;q=0")
	f.Fuzz(func(t *testing.T, header string) {
		if Gzip([]string{header}) && !strings.Contains(strings.ToLower(header), "gzip") && !strings.Contains(header, "*") {
			t.Errorf("%q allows gzip", header)
		}
	})
}
