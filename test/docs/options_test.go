// Package docs checks that what the documents list is what the code says.
package docs

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"muster/config"
)

var update = flag.Bool("update", false, "write the lists into the documents")

const compatibility = "COMPATIBILITY.md"

// docs/COMPATIBILITY.md lists every option without an effect, by reason.
func TestOptionsWithoutEffect(t *testing.T) {
	idle, moot, enterprise, internal := map[string][]string{}, map[string][]string{}, []string{}, []string{}
	for _, o := range config.Options() {
		key := "`" + o.Key + "`"
		switch {
		case o.For != "" || o.Removed || o.Acted():
		case o.Mark == config.Enterprise:
			enterprise = append(enterprise, key)
		case o.Mark == config.Internal:
			internal = append(internal, key)
		case o.Idle != "":
			idle[o.Idle] = append(idle[o.Idle], key)
		default:
			moot[o.Moot] = append(moot[o.Moot], key)
		}
	}
	enterpriseWhy := "it belongs to a part of Consul that had to be paid for and that muster does not have"
	idle[enterpriseWhy] = enterprise
	moot["only Consul itself sets it"] = internal
	var b strings.Builder
	b.WriteString("Set to anything but its default, such an option brings a warning:\n\n| because | options |\n|---|---|\n")
	writeRows(&b, idle)
	b.WriteString("\nThese bring none, since ignoring them does what they ask for:\n\n| because | options |\n|---|---|\n")
	writeRows(&b, moot)
	compareBlock(t, compatibility, "options", b.String())
}

func writeRows(b *strings.Builder, rows map[string][]string) {
	var reasons []string
	for r := range rows {
		if len(rows[r]) > 0 {
			reasons = append(reasons, r)
		}
	}
	sort.Strings(reasons)
	for _, r := range reasons {
		sort.Strings(rows[r])
		fmt.Fprintf(b, "| %s | %s |\n", r, strings.Join(rows[r], ", "))
	}
}

// compareBlock compares the text between <!-- NAME --> and <!-- /NAME --> in a
// document with what it should be; with -update it writes it.
func compareBlock(t *testing.T, doc, name, want string) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", doc)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, ok1 := strings.Cut(string(data), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s: there is no block %s", doc, name)
	}
	if got == want {
		return
	}
	if !*update {
		t.Fatalf("docs/%s: the block %q is out of date: run go test ./test/docs -update", doc, name)
	}
	if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
