package boot

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"muster/config"
)

func TestOwn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// What is its own already everybody may give it.
	me, us := strconv.Itoa(os.Getuid()), strconv.Itoa(os.Getgid())
	for _, s := range []config.UnixSocket{{}, {User: me}, {Group: us}, {User: me, Group: us}} {
		if err := own(file, s); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	for want, s := range map[string]config.UnixSocket{
		"unix_sockets.user: ": {User: "nobody-has-this-name"}, "unix_sockets.group: ": {User: me, Group: "-1"},
	} {
		if err := own(file, s); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if err := own(filepath.Join(filepath.Dir(file), "absent"), config.UnixSocket{User: me}); err == nil {
		t.Error("a file that is not there was given away")
	}
	if n, err := idOf("x", "a", func(string) (string, error) { return "7", nil }); n != 7 || err != nil {
		t.Errorf("a name: %d, %v", n, err)
	}
}
