//go:build unix

package install

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// built is the path of the package that "make packages" built.
func built(t *testing.T, pattern string) string {
	t.Helper()
	folder := os.Getenv("MUSTER_PACKAGES")
	if folder == "" {
		t.Skip("MUSTER_PACKAGES names no folder with packages: run make packages")
	}
	found, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("packages %s in %s: %q, %v", pattern, folder, found, err)
	}
	return found[0]
}

// The deb, installed into a folder: files, user and owners are there; a changed
// configuration survives removal, and nothing survives purging.
func TestDeb(t *testing.T) {
	need(t, "dpkg")
	if os.Getuid() != 0 {
		t.Skip("only root can install a package")
	}
	deb := built(t, "muster_*_"+runtime.GOARCH+".deb")
	root := t.TempDir()
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"var/lib/dpkg/status": "", "var/lib/dpkg/available": "",
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n", "etc/shadow": "", "etc/gshadow": ""} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dpkg := func(args ...string) {
		t.Helper()
		run(t, nil, "dpkg", append([]string{"--root=" + root, "--force-script-chrootless", "--force-depends"}, args...)...)
	}
	there := func(path string) bool {
		_, err := os.Lstat(filepath.Join(root, path))
		return err == nil
	}

	dpkg("--install", deb)
	passwd, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil || !strings.Contains(string(passwd), "\nmuster:") || !strings.Contains(string(passwd), ":/var/lib/muster:/usr/sbin/nologin") {
		t.Errorf("no user: %q, %v", passwd, err)
	}
	for _, path := range []string{"usr/bin/muster", "usr/lib/systemd/system/muster.service", "etc/muster.d/muster.hcl",
		"usr/share/bash-completion/completions/muster", "usr/share/zsh/vendor-completions/_muster",
		"usr/share/fish/vendor_completions.d/muster.fish", "usr/share/doc/muster/copyright", "usr/share/doc/muster/docs/get-started.md"} {
		if !there(path) {
			t.Errorf("not installed: %s", path)
		}
	}
	if id := owner(t, filepath.Join(root, "var/lib/muster")); id == 0 {
		t.Error("the data belongs to root")
	}
	program := filepath.Join(root, "usr/bin/muster")
	if out := run(t, nil, program, "version"); !strings.HasPrefix(out, "muster v") {
		t.Errorf("it says %q", out)
	}
	run(t, nil, program, "validate", filepath.Join(root, "etc/muster.d"))

	config := filepath.Join(root, "etc/muster.d/muster.hcl")
	const changed = "data_dir = \"/var/lib/muster\"\nserver = true\n"
	if err := os.WriteFile(config, []byte(changed), 0o640); err != nil {
		t.Fatal(err)
	}
	dpkg("--install", deb) // as an upgrade does
	if got, err := os.ReadFile(config); err != nil || string(got) != changed {
		t.Errorf("the configuration is %q, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(root, "var/lib/muster/node-id"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dpkg("--remove", "muster")
	if there("usr/bin/muster") || !there("etc/muster.d/muster.hcl") || !there("var/lib/muster") {
		t.Error("removing takes the program, and leaves configuration and data")
	}
	dpkg("--purge", "muster")
	if there("etc/muster.d") || there("var/lib/muster") {
		t.Error("purging leaves nothing")
	}
}
