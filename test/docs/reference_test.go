package docs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"muster/cli"
	"muster/config"
	"muster/httpd"
)

// The pages below docs/reference are written from the code's own tables.

func TestReferenceOptions(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Options of the configuration

Every key that a file given with ` + "`-config-file` or `-config-dir`" + ` may hold, in HCL or JSON, and its
flag if it has one. Dots stand for blocks: ` + "`dns_config.node_ttl` is `dns_config { node_ttl = \"5s\" }`" + `.
R: a reload applies a change; everything else needs a restart. What muster accepts and does not
act on is in [COMPATIBILITY.md](../COMPATIBILITY.md#options-that-are-accepted-and-not-acted-on).
`)
	options := config.Options()
	slices.SortStableFunc(options, func(a, b config.Option) int { return strings.Compare(section(a.Key), section(b.Key)) })
	last := "-"
	for _, o := range options {
		if o.For != "" || !o.Acted() {
			continue
		}
		if s := section(o.Key); s != last {
			title := "`" + s + "`"
			if s == "" {
				title = "At the top"
			}
			fmt.Fprintf(&b, "\n## %s\n\n| key | flag | type | default | | |\n|---|---|---|---|---|---|\n", title)
			last = s
		}
		writeOption(&b, "", o)
		if o.Fields != nil {
			for _, f := range o.Fields() {
				if f.For == "" && f.Acted() {
					writeOption(&b, o.Key+"[].", f)
				}
			}
		}
	}
	b.WriteString("\n## Other spellings\n\n| key | is |\n|---|---|\n")
	for _, o := range options {
		if o.For != "" {
			fmt.Fprintf(&b, "| `%s` | `%s` |\n", o.Key, o.For)
		}
	}
	compareFile(t, "reference/options.md", b.String())
}

// section is the block that an option stands in.
func section(key string) string {
	block, _, inside := strings.Cut(key, ".")
	if !inside {
		return ""
	}
	return block
}

func writeOption(b *strings.Builder, prefix string, o config.Option) {
	flag, reload, def := "", "", ""
	if o.Flag != "" {
		flag = "`-" + o.Flag + "`"
	}
	if o.Reload {
		reload = "R"
	}
	if o.Default != "" {
		def = "`" + cell(o.Default) + "`"
	}
	if o.Dev != "" {
		def += " (`-dev`: `" + cell(o.Dev) + "`)"
	}
	fmt.Fprintf(b, "| `%s%s` | %s | %s | %s | %s | %s |\n", prefix, o.Key, flag, o.Type, def, reload, cell(o.Doc))
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func TestReferenceAPI(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# HTTP API

Every route below ` + "`/v1`" + `. A path that ends in ` + "`…`" + ` takes a name behind it. *Runs on*: the agent that is
asked, any server, or the leader; agents hand requests on by themselves. *Guarded by*: what a
token needs, or what is left out of the answer for want of it, once
[access control](../COMPATIBILITY.md#access-control) is there. *Waits*: takes
` + "`?index=` and `?wait=`" + `. Routes that answer 501 are in
[COMPATIBILITY.md](../COMPATIBILITY.md#not-implemented).

The requests and answers are Consul's; its documentation and its client libraries hold.
`)
	last := ""
	for _, r := range httpd.Routes() {
		if !r.Built {
			continue
		}
		if group := strings.SplitN(r.Path, "/", 4)[2]; group != last {
			fmt.Fprintf(&b, "\n## %s\n\n| method | path | runs on | guarded by | waits |\n|---|---|---|---|---|\n", group)
			last = group
		}
		path, waits := r.Path, ""
		if strings.HasSuffix(path, "/") {
			path += "…"
		}
		if r.Blocking {
			waits = "yes"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n", r.Method, path, r.RunsOn, r.Guard, waits)
	}
	compareFile(t, "reference/api.md", b.String())
}

func TestReferenceCommands(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Commands\n\nWhat `muster COMMAND -h` says. Options may be written with one dash or two.\n" +
		"Commands ask the agent at `127.0.0.1:8500`, or where `-http-addr` or `CONSUL_HTTP_ADDR` says.\n")
	for _, name := range cli.Names() {
		var out bytes.Buffer
		cli.Run(append(strings.Fields(name), "-h"), strings.NewReader(""), &out, &out)
		if out.Len() == 0 {
			t.Errorf("%s: no help", name)
		}
		fmt.Fprintf(&b, "\n## %s\n\n```\n%s\n```\n", name, strings.TrimSpace(out.String()))
	}
	compareFile(t, "reference/commands.md", b.String())
}

// Every command's page of help shows how it is typed.
func TestHelpHasExamples(t *testing.T) {
	for _, name := range cli.Names() {
		var out bytes.Buffer
		cli.Run(append(strings.Fields(name), "-h"), strings.NewReader(""), &out, &out)
		if strings.Contains(out.String(), "Subcommands:") {
			continue // a group: its commands have them
		}
		if !strings.Contains(out.String(), "$ muster "+name) {
			t.Errorf("muster %s -h: no example, a line that begins with \"$ muster %s\"", name, name)
		}
	}
}

// compareFile compares a page with what it should be; with -update it is written.
func compareFile(t *testing.T, doc, want string) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", doc)
	got, err := os.ReadFile(path)
	if err == nil && string(got) == want {
		return
	}
	if !*update {
		t.Fatalf("docs/%s is out of date (%v): run go test ./test/docs -update", doc, err)
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
