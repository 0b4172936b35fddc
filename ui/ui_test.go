package ui

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func ask(t *testing.T, h http.Handler, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, res *http.Response) string {
	t.Helper()
	var from io.Reader = res.Body
	if res.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		from = z
	}
	data, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func builtIn(t *testing.T, at string) http.Handler {
	t.Helper()
	h, err := Handler(at, "")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

var asset = regexp.MustCompile(`(?:src|href)="\./(assets/[^"]+)"`)

// The page and all that it names are there, typed, and may be kept as they should.
func TestBuiltIn(t *testing.T) {
	h := builtIn(t, "/ui/")
	res := ask(t, h, "GET", "/ui/")
	page := text(t, res)
	if res.StatusCode != 200 || !strings.Contains(page, base) || res.Header.Get("Cache-Control") != "no-cache" {
		t.Fatalf("%d %v: %s", res.StatusCode, res.Header, page)
	}
	files := asset.FindAllStringSubmatch(page, -1)
	if len(files) < 2 {
		t.Fatalf("names %d files: %s", len(files), page)
	}
	for _, f := range files {
		res := ask(t, h, "GET", "/ui/"+f[1], "Accept-Encoding", "gzip")
		if res.StatusCode != 200 || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") || res.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: %d %v", f[1], res.StatusCode, res.Header)
		}
		plain := ask(t, h, "GET", "/ui/"+f[1], "Accept-Encoding", "gzip;q=0")
		if plain.Header.Get("Content-Encoding") != "" || text(t, plain) != text(t, res) {
			t.Errorf("%s differs when it is not compressed", f[1])
		}
		if kind := res.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/javascript") && !strings.HasPrefix(kind, "text/css") {
			t.Errorf("%s is %s", f[1], kind)
		}
	}
}

// No script or style stands in the page itself, as the policy wants.
func TestPolicy(t *testing.T) {
	res := ask(t, builtIn(t, "/ui/"), "GET", "/ui/")
	policy := res.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("%q is not in %q", part, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("unsafe: %q", policy)
	}
	page := text(t, res)
	for _, bad := range []string{"<style", "style=", "onclick=", "://"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	for _, m := range regexp.MustCompile(`(?s)<script[^>]*>(.*?)</script>`).FindAllStringSubmatch(page, -1) {
		if strings.TrimSpace(m[1]) != "" {
			t.Errorf("a script within the page: %s", m[1])
		}
	}
}

func TestPaths(t *testing.T) {
	h := builtIn(t, "/a/b/")
	for _, c := range []struct {
		method, path string
		status       int
		has          string
	}{
		{"GET", "/a/b/", 200, `<base href="/a/b/"`},
		{"GET", "/a/b/dc1/services/web", 200, `<base href="/a/b/"`}, // the page reads the address
		{"GET", "/a/b/dc1/kv/app/settings.json/edit", 200, `<base href="/a/b/"`},
		{"GET", "/a/b/favicon.svg", 200, "<svg"},
		{"GET", "/a/b/assets/nothing.js", 404, ""},
		{"GET", "/a/b/../../etc/passwd", 200, `<base href="/a/b/"`},
		{"GET", "/a/b/assets", 200, `<base`}, // a folder is no file
		{"HEAD", "/a/b/", 200, ""},
		{"POST", "/a/b/", 405, "not allowed"},
		{"GET", "/a/b", 301, ""},
	} {
		res := ask(t, h, c.method, c.path)
		if body := text(t, res); res.StatusCode != c.status || !strings.Contains(body, c.has) {
			t.Errorf("%s %s: %d %s", c.method, c.path, res.StatusCode, body)
		}
	}
	if to := ask(t, h, "GET", "/a/b").Header.Get("Location"); to != "/a/b/" {
		t.Errorf("leads to %q", to)
	}
}

// A browser that has the page is told so.
func TestTags(t *testing.T) {
	h := builtIn(t, "/ui/")
	plain, zipped := ask(t, h, "GET", "/ui/").Header.Get("ETag"), ""
	if plain == "" {
		t.Fatal("no tag")
	}
	res := ask(t, h, "GET", "/ui/", "If-None-Match", plain)
	if res.StatusCode != 304 || text(t, res) != "" {
		t.Errorf("%d", res.StatusCode)
	}
	name := asset.FindStringSubmatch(text(t, ask(t, h, "GET", "/ui/")))[1]
	zipped = ask(t, h, "GET", "/ui/"+name, "Accept-Encoding", "gzip").Header.Get("ETag")
	if res := ask(t, h, "GET", "/ui/"+name, "If-None-Match", zipped); res.StatusCode != 200 {
		t.Errorf("the tag of the compressed file stands for the plain one: %d", res.StatusCode)
	}
	other := ask(t, builtIn(t, "/elsewhere/"), "GET", "/elsewhere/").Header.Get("ETag")
	if other == plain {
		t.Error("pages at different places have one tag")
	}
}

// Somebody else's page is read anew at every request, and nothing outside of its folder.
func TestDir(t *testing.T) {
	dir, secret := t.TempDir(), filepath.Join(t.TempDir(), "secret.txt")
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Handler("/ui/", dir); err == nil {
		t.Error("a folder without a page is accepted")
	}
	if _, err := Handler("/ui/", filepath.Join(dir, "nothing")); err == nil {
		t.Error("no folder is accepted")
	}
	write(filepath.Join(dir, "index.html"), "one")
	write(secret, "secret")
	if err := os.Symlink(secret, filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	h, err := Handler("/ui/", dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := text(t, ask(t, h, "GET", "/ui/")); got != "one" {
		t.Error(got)
	}
	write(filepath.Join(dir, "index.html"), "two")
	if got := text(t, ask(t, h, "GET", "/ui/any/where")); got != "two" {
		t.Error(got)
	}
	if got := text(t, ask(t, h, "GET", "/ui/link.txt")); got != "two" {
		t.Errorf("a link leads out: %q", got)
	}
}

// A policy of the operator's own is not replaced.
func TestOwnPolicy(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Security-Policy", "default-src 'self'")
	builtIn(t, "/ui/").ServeHTTP(w, httptest.NewRequest("GET", "/ui/", nil))
	if got := w.Header().Get("Content-Security-Policy"); got != "default-src 'self'" {
		t.Error(got)
	}
}
