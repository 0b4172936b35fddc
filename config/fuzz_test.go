package config

import (
	"encoding/json"
	"io/fs"
	"os"
	"strings"
	"testing"

	"muster/config/syntax"
)

// fuzz feeds a text as the file of that name to all of Load.
func fuzz(t *testing.T, name string, text []byte) {
	h := testHost()
	h.Stat = func(p string) (fs.FileInfo, error) {
		if p == name {
			return os.Stat("load.go")
		}
		return nil, fs.ErrNotExist
	}
	h.ReadFile = func(string) ([]byte, error) { return text, nil }
	c, _, err := Load(LoadOptions{Flags: &Flags{Files: []string{name}}, Host: h, Offline: true})
	if err != nil {
		if _, parseErr := syntax.Parse(text, name[2:]); parseErr != nil && !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name the file: %v", err)
		}
		return
	}
	if _, err := json.Marshal(c.Debug()); err != nil {
		t.Error(err)
	}
	if d := Diff(c, c); len(d) > 0 {
		t.Errorf("differs from itself in %v", d)
	}
}

func FuzzHCL(f *testing.F) {
	for _, s := range []string{
		`data_dir = "x"`, `service { name = "web", check { args = ["a"], interval = "1s" } }`, `ports { http = -1 }`, `a = <<E` + "\nx\nE\n",
		`node_meta = { "a" = 1.5 }`, `watches = [{ type = "key", args = ["x"] }]`, `{"data_dir": "x", "ui": null}`, `bind_addr = "{{`, `x = "${`,
		`check "x" { ttl = "1s" }`, `services = [[{}]]`, `/* `, `# x`, `data_dir = "x" connect { ca_config { a { b = [1] } } }`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) { fuzz(t, "a.hcl", text) })
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"data_dir": "x"}`, `{"data_dir": "x", "service": {"name": "w", "checks": [{"ttl": "1s"}, {"ttl": 1e9}]}}`, `{"ports": {"http": 1e400}}`,
		`{"data_dir": "x", "watches": [{"type": "key", "handler_type": "http", "http_handler_config": {"path": "u"}}]}`, `[]`, `{"a":`, `null`,
		`{"data_dir": "x", "node_meta": {"a": null}, "recursors": [1, true], "encrypt": "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="}`,
		`{"data_dir": "x", "audit": {"sink": {"a": {"type": "file"}}}, "segments": [{}], "limits": {"rpc_rate": "Inf"}}`,
		`{"data_dir": "x", "services": [{"connect": {"sidecar_service": {"proxy": {"upstreams": [{}]}}}}], "tls": {"defaults": {}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) { fuzz(t, "a.json", text) })
}
