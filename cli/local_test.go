package cli

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"muster/cli/clitest"
	"muster/internal/version"
)

func TestKeygen(t *testing.T) {
	a := clitest.Start(t)
	one, two := runCLI(a, "", "keygen"), runCLI(a, "", "keygen")
	key, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(one.Out, "\n"))
	if one.Code != 0 || err != nil || len(key) != 32 || one.Out == two.Out {
		t.Errorf("%s\n%s", one, two)
	}
}

func TestSnapshotDecode(t *testing.T) {
	a := clitest.Start(t)
	got := runCLI(a, "", "snapshot", "decode", originSnapshot)
	if got.Code != 0 || got.ErrOut != "" {
		t.Fatal(got)
	}
	types := map[string]int{}
	for text := range strings.Lines(got.Out) {
		var line struct {
			Type string
			Data any
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil || line.Data == nil {
			t.Fatalf("%q: %v", text, err)
		}
		data, _ := line.Data.(map[string]any)
		if len(types) == 0 && (line.Type != "SnapshotHeader" || data["LastIndex"] != 72.0) {
			t.Errorf("the first line is %q", text)
		}
		if line.Type == "KVS" && data["Key"] == "app/config/key1" && data["Value"] != "dmFsdWUtMQ==" {
			t.Errorf("a key: %q", text)
		}
		types[line.Type]++
	}
	if types["KVS"] == 0 || types["Register"] == 0 || types["SnapshotHeader"] != 1 {
		t.Errorf("types %v", types)
	}
	step{args: "snapshot decode absent", code: 1, err: "Error opening snapshot file: open absent: no such file or directory\n"}.run(t)
	wantUsage(t, "Missing FILE argument", "snapshot", "decode")
}

// Namespaces and partitions are refused in a sentence, before anything is asked.
func TestTenancy(t *testing.T) {
	a := clitest.Start(t)
	for _, what := range []string{"namespace", "partition"} {
		runCLI(a, "", "kv", "get", "-"+what+"=x", "k").Want(t, 1, "",
			"flag provided but not defined: -"+what+": "+what+"s are a Consul Enterprise feature that muster does not have\n")
		name := "CONSUL_" + strings.ToUpper(what)
		t.Setenv(name, "x")
		runCLI(a, "", "kv", "get", "k").Want(t, 1, "", "Error connecting to Consul agent: "+name+` is "x": `+what+
			"s are a Consul Enterprise feature that muster does not have; unset it, or set it to default\n")
		t.Setenv(name, "default")
		if got := runCLI(a, "", "kv", "get", "k"); got.ErrOut != "Error! No key exists at: k\n" {
			t.Errorf("%s=default: %s", name, got)
		}
		t.Setenv(name, "")
	}
	if asked := a.Requests(); len(asked) != 2 {
		t.Errorf("asked %q", asked)
	}
}

func TestVersion(t *testing.T) {
	a := clitest.Start(t)
	text := regexp.MustCompile(`^muster v\d+\.\d+\.\d+\ncompatible with Consul \d+\.\d+\.\d+\n(Revision .*\n)?(Build Date .*\n)?` +
		`Protocol 2 spoken by default, understands 2 to 3 \(agent will automatically use protocol >2 when speaking to compatible agents\)\n$`)
	for _, args := range [][]string{{"version"}, {"-version"}, {"--version"}, {"-v"}} {
		if got := runCLI(a, "", args...); got.Code != 0 || !text.MatchString(got.Out) || got.ErrOut != "" {
			t.Errorf("%q: %s", args, got)
		}
	}
	got := runCLI(a, "", "version", "-format=json")
	var info struct {
		Version    string
		Prerelease string
		RPC        struct{ Default, Min, Max int }
	}
	if err := json.Unmarshal([]byte(got.Out), &info); err != nil || got.Code != 0 || !strings.HasPrefix(got.Out, "{\n   \"Version\"") {
		t.Errorf("%v: %s", err, got)
	}
	if info.Version != version.Full() || info.RPC.Default != 2 || info.RPC.Min != 2 || info.RPC.Max != 3 {
		t.Errorf("%+v", info)
	}
	runCLI(a, "", "version", "-format=xml").Want(t, 1, "", "Unknown format \"xml\", must be one of: pretty, json\n")
}

func TestValidate(t *testing.T) {
	var asked string
	validated := func(warnings []string, err error) func(args ...string) clitest.Result {
		check := func(paths []string, format string) ([]string, []string, error) {
			asked = strings.Join(paths, " ") + "|" + format
			return warnings, []string{"a:1: data_dir"}, err
		}
		a := clitest.Start(t)
		return func(args ...string) clitest.Result {
			world, stdout, stderr := a.World("")
			code := run(append([]string{"validate"}, args...), world, commands(rooms{validate: check}))
			return clitest.Result{Code: code, Out: stdout.String(), ErrOut: stderr.String()}
		}
	}
	good := validated([]string{"skipping file x"}, nil)
	good("-config-format=hcl", "a", "b").Want(t, 0, "Configuration is valid!\n", "skipping file x\n")
	if asked != "a b|hcl" {
		t.Errorf("asked %q", asked)
	}
	good("-quiet", "a").Want(t, 0, "", "skipping file x\n")
	validated(nil, errors.New("data_dir cannot be empty"))("a").Want(t, 1, "", "Config validation failed: data_dir cannot be empty\n")
	good("-config-format=xml", "a").Want(t, 1, "", "-config-format must be either 'hcl' or 'json\n")
	if got := good(); got.Code != 1 || !strings.HasPrefix(got.ErrOut, "Must specify at least one config file or directory\n\nUsage") {
		t.Error(got)
	}
}

const originSnapshot = "../internal/archive/testdata/consul-1.10.snap"

func TestSnapshot(t *testing.T) {
	data, err := os.ReadFile(originSnapshot)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	t.Chdir(t.TempDir())
	answers := map[string]string{"GET /v1/snapshot": string(data), "PUT /v1/snapshot": ""}
	step{args: "snapshot save s.snap", answers: answers, out: "Saved and verified snapshot to index 42\n"}.run(t)
	saved, err := os.ReadFile("s.snap")
	if err != nil || string(saved) != string(data) {
		t.Errorf("saved %d bytes of %d: %v", len(saved), len(data), err)
	}
	if info, err := os.Stat("s.snap"); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v: %v", info.Mode(), err)
	}
	step{
		args: "snapshot restore s.snap", answers: answers, out: "Restored snapshot\n",
		asked: []string{"PUT /v1/snapshot " + strings.TrimSuffix(string(data), "\n")},
	}.run(t)
	runSteps(t, []step{
		{
			args: "snapshot save -stale t.snap", answers: map[string]string{"GET /v1/snapshot?stale=": string(data[:5000])}, code: 1,
			err: "Error verifying snapshot file: failed to read snapshot file: state.bin: unexpected EOF\n",
		},
		{
			args: "snapshot save t.snap", answers: map[string]string{"GET /v1/snapshot": "403 no"}, code: 1,
			err: "Error saving snapshot: Unexpected response code: 403 (no)\n",
		},
		{
			args: "snapshot save nowhere/t.snap", answers: answers, code: 1,
			err: "Error creating snapshot file: open nowhere/t.snap.unverified: no such file or directory\n",
		},
		{
			args: "snapshot restore s.snap", answers: map[string]string{"PUT /v1/snapshot": "500 failed to decompress snapshot: unexpected EOF"}, code: 1,
			err: "Error restoring snapshot: Unexpected response code: 500 (failed to decompress snapshot: unexpected EOF)\n",
		},
		{args: "snapshot restore absent", code: 1, err: "Error opening snapshot file: open absent: no such file or directory\n"},
		{args: "snapshot inspect absent", code: 1, err: "Error opening snapshot file: open absent: no such file or directory\n"},
	})
	files, err := os.ReadDir(".")
	if err != nil || len(files) != 1 {
		t.Errorf("files are left: %v %v", files, err)
	}
	for _, verb := range []string{"save", "restore", "inspect"} {
		wantUsage(t, "Missing FILE argument", "snapshot", verb)
		wantUsage(t, "Too many arguments (expected 1, got 2)", "snapshot", verb, "a", "b")
	}
}

func TestSnapshotInspect(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	a := clitest.Start(t)
	runCLI(a, "", "snapshot", "inspect", "-kvdetails", "-kvfilter=redis", originSnapshot).Want(t, 0, ` ID           2-72-1795349458095
 Size         20563
 Index        72
 Term         2
 Version      1

 Type                        Count      Size
 ----                        ----       ----
 KVS                         43         7.7KB
 Register                    12         5.5KB
 ConnectCA                   1          1.2KB
 ConnectCAProviderState      1          1.1KB
 ACLToken                    3          1.1KB
 ACLPolicy                   2          802B
 ConfigEntry                 3          710B
 Index                       21         568B
 PreparedQuery               1          284B
 ACLRole                     1          237B
 Autopilot                   1          199B
 ConnectCAConfig             1          197B
 Session                     1          186B
 FederationState             1          139B
 Tombstone                   1          83B
 SystemMetadata              1          68B
 ChunkingState               1          12B
 ----                        ----       ----
 Total                                  20.1KB

 Key Name          Count      Size
 ----              ----       ----
 redis/config      1          99B
 ----              ----       ----
 Total                        99B
`, "")
	got := runCLI(a, "", "snapshot", "inspect", "-format=json", originSnapshot)
	var contents inspected
	if err := json.Unmarshal([]byte(got.Out), &contents); err != nil || got.Code != 0 {
		t.Fatalf("%v: %s", err, got)
	}
	if contents.Meta.Index != 72 || contents.TotalSize != 20551 || contents.Stats[0] != (amount{"KVS", 7916, 43}) || contents.StatsKV != nil {
		t.Errorf("%+v", contents)
	}
	runCLI(a, "", "snapshot", "inspect", "-format=xml", "x").Want(t, 1, "", "Unknown format \"xml\", must be one of: pretty, json\n")
}

func TestByteSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0B", 1023: "1023B", 1024: "1KB", 2663: "2.6KB", 4096: "4KB", 1 << 20: "1MB", 3 << 30: "3GB", 5 << 40: "5TB", 1 << 53: "8192TB",
	} {
		if got := byteSize(n); got != want {
			t.Errorf("byteSize(%d) = %s, want %s", n, got, want)
		}
	}
}
