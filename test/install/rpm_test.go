//go:build unix

package install

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// The rpm: who owns what, what its scripts do, and that nothing in it tells who
// built it.
func TestRPM(t *testing.T) {
	need(t, "rpm")
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	pkg := built(t, "muster-*."+arch+".rpm")

	if host := run(t, nil, "rpm", "-qp", "--queryformat", "%{BUILDHOST}", pkg); host != "localhost" {
		t.Errorf("it was built on %q, and would be other bytes elsewhere", host)
	}
	files := strings.Split(run(t, nil, "rpm", "-qp", "--queryformat",
		`[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILEFLAGS:fflags}\n]`, pkg), "\n")
	for _, want := range []string{
		"/etc/muster.d drwxr-x--- root muster ",
		"/etc/muster.d/muster.hcl -rw-r----- root muster cn",
		"/usr/bin/muster -rwxr-xr-x root root ",
		"/usr/lib/systemd/system/muster.service -rw-r--r-- root root ",
		"/usr/share/bash-completion/completions/muster -rw-r--r-- root root ",
		"/usr/share/doc/muster/docs/get-started.md -rw-r--r-- root root ",
		"/usr/share/fish/vendor_completions.d/muster.fish -rw-r--r-- root root ",
		"/usr/share/zsh/site-functions/_muster -rw-r--r-- root root ",
		"/var/lib/muster drwxr-x--- muster muster ",
	} {
		if !slices.Contains(files, want) {
			t.Errorf("missing: %s\nin it is:\n%s", want, strings.Join(files, "\n"))
		}
	}

	if os.Getuid() != 0 {
		t.Skip("only root can install a package")
	}
	root := t.TempDir()
	// Its scripts would run inside of the folder, which has no shell.
	rpm := func(args ...string) {
		t.Helper()
		run(t, nil, "rpm", append([]string{"--root", root, "--nodeps", "--noscripts"}, args...)...)
	}
	read := func(path string) string {
		text, _ := os.ReadFile(filepath.Join(root, path))
		return string(text)
	}
	rpm("--install", pkg)
	if out := run(t, nil, filepath.Join(root, "usr/bin/muster"), "version"); !strings.HasPrefix(out, "muster v") {
		t.Errorf("it says %q", out)
	}
	const changed = "data_dir = \"/var/lib/muster\"\nserver = true\n"
	for path, text := range map[string]string{"etc/muster.d/muster.hcl": changed, "var/lib/muster/node-id": "id"} {
		if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	rpm("--upgrade", "--replacepkgs", pkg)
	if got := read("etc/muster.d/muster.hcl"); got != changed {
		t.Errorf("upgraded, the configuration is %q", got)
	}
	rpm("--erase", "muster")
	if got := read("etc/muster.d/muster.hcl.rpmsave"); got != changed || read("var/lib/muster/node-id") != "id" || read("usr/bin/muster") != "" {
		t.Errorf("removing takes the program, and leaves configuration (%q) and data", got)
	}
}
