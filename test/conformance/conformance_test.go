package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Every scenario in the project can be read, and written back as it was.
func TestScenariosRoundTrip(t *testing.T) {
	all, err := loadScenarios("scenarios")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("only %d scenarios", len(all))
	}
	for _, sc := range all {
		want := strings.TrimRight(sc.source, "\n") + "\n"
		if got := sc.format(); got != want {
			t.Errorf("%s is not what it was:\n%s", sc.ID(), diffLines(strings.Split(want, "\n"), strings.Split(got, "\n")))
		}
		for _, st := range sc.Steps {
			if _, err := st.until(); err != nil {
				t.Errorf("%s:%d: %v", sc.Path, st.Line, err)
			}
			if len(st.Want) > 0 {
				if _, err := splitWant(st.Want); err != nil {
					t.Errorf("%s:%d: %v", sc.Path, st.Line, err)
				}
			}
		}
	}
}

func TestDoneListNamesScenarios(t *testing.T) {
	all, err := loadScenarios("scenarios")
	if err != nil {
		t.Fatal(err)
	}
	l, err := readList("done.txt")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.covers(all); err != nil {
		t.Error(err)
	}
}

func TestList(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.txt")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all := []*scenario{{Tier: "core", Name: "kv_cas"}, {Tier: "core", Name: "dns_ttl"}}
	write("# keys\ncore/kv_* # all\n\n")
	l, err := readList(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		if got, err := l.has(all[i]); err != nil || got != want {
			t.Errorf("%s: got %v %v, want %v", all[i].ID(), got, err, want)
		}
	}
	if err := l.covers(all); err != nil {
		t.Error(err)
	}
	write("core/kv_cas\ncore/kv_css\n")
	if l, err = readList(path); err != nil {
		t.Fatal(err)
	}
	if err := l.covers(all); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a misspelt line gives %v", err)
	}
	write("core/[\n")
	if _, err := readList(path); err == nil {
		t.Error("a malformed glob is accepted")
	}
}

func TestCompareJSON(t *testing.T) {
	for _, c := range []struct {
		name, want, got   string
		strict, unordered bool
		ok                bool
	}{
		{name: "order of keys", want: `{"a":1,"b":2}`, got: `{"b":2,"a":1}`, ok: true},
		{name: "extra field", want: `{"a":1}`, got: `{"a":1,"b":2}`, ok: true},
		{name: "extra field, strict", want: `{"a":1}`, got: `{"a":1,"b":2}`, strict: true},
		{name: "missing field", want: `{"a":1}`, got: `{}`},
		{name: "null for a list", want: `[]`, got: `null`},
		{name: "list for null", want: `null`, got: `[]`},
		{name: "number for text", want: `"1"`, got: `1`},
		{name: "symbol for a number", want: `"<num>"`, got: `17`, ok: true},
		{name: "spelling of a number", want: `1.50`, got: `1.5`, ok: true},
		{name: "other number", want: `1`, got: `2`},
		{name: "order of a list", want: `[1,2]`, got: `[2,1]`},
		{name: "order of a set", want: `[1,2]`, got: `[2,1]`, unordered: true, ok: true},
		{name: "length of a list", want: `[1]`, got: `[1,1]`},
		{name: "length of a set", want: `[1,2]`, got: `[1,1]`, unordered: true},
		{name: "indexes in order", want: `["<idx:1>","<idx:3>"]`, got: `[7,9]`, ok: true},
		{name: "indexes out of order", want: `["<idx:1>","<idx:3>"]`, got: `[9,7]`},
		{name: "equal indexes", want: `["<idx:1>","<idx:1>"]`, got: `[7,8]`},
		{name: "the same identifier", want: `["<uuid:1>","<uuid:1>"]`,
			got: `["00000000-1111-2222-3333-444444444444","00000000-1111-2222-3333-444444444444"]`, ok: true},
		{name: "two identifiers for one", want: `["<uuid:1>","<uuid:1>"]`,
			got: `["00000000-1111-2222-3333-444444444444","00000000-1111-2222-3333-444444444445"]`},
		{name: "one identifier for two", want: `["<uuid:1>","<uuid:2>"]`,
			got: `["00000000-1111-2222-3333-444444444444","00000000-1111-2222-3333-444444444444"]`},
		{name: "symbol in a key", want: `{"<uuid:1>":{"n":2}}`,
			got: `{"x":{"n":2},"00000000-1111-2222-3333-444444444444":{"n":2}}`, ok: true},
		{name: "variable", want: `"${s1.http}"`, got: `"20001"`, ok: true},
	} {
		want, err := decodeJSON([]byte(c.want))
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeJSON([]byte(c.got))
		if err != nil {
			t.Fatal(err)
		}
		e := newEnv(map[string]string{"s1.http": "20001"})
		err = jsonMatch{strict: c.strict, unordered: c.unordered}.compare(e, "", want, got)
		if (err == nil) != c.ok {
			t.Errorf("%s: %s against %s gives %v", c.name, c.got, c.want, err)
		}
	}
}

func TestTextNamesOfTheProgram(t *testing.T) {
	e := newEnv(nil)
	if err := e.str("Consul is <ver>", "muster is v1.2.3", true); err != nil {
		t.Error(err)
	}
	if err := e.str("Consul", "muster", false); err == nil {
		t.Error("in data the name must not be exchanged")
	}
}

func TestUntil(t *testing.T) {
	st := &step{Dir: []string{"until 3s not pending"}}
	u, err := st.until()
	if err != nil {
		t.Fatal(err)
	}
	if u.limit != 3*time.Second || !u.cond("done") || u.cond("still pending") {
		t.Errorf("until is %+v", u)
	}
	calls := 0
	if !u.repeat(func() bool { calls++; return calls == 3 }) || calls != 3 {
		t.Errorf("repeated %d times", calls)
	}
	once := until{}
	calls = 0
	if once.repeat(func() bool { calls++; return false }) || calls != 1 {
		t.Errorf("a step without until ran %d times", calls)
	}
}

// replayText replays a scenario that needs no agent.
func replayText(t *testing.T, text string) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "local", "s.txt")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	sc, err := parseScenario(path)
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{host: newHost(), bin: "/bin/true"}
	_, err = r.run(t.Context(), sc)
	return err
}

func TestReplay(t *testing.T) {
	const script = `@manual

file in.txt
< one
< two

$ cat in.txt
% capture first re:^(\w+)
=> exit 0
| one
| two
|

bg later: $ sleep 0.5; echo ${first} $0
=> exit 0
| one /bin/sh
|

pending later for 100ms

await later
=> exit 0
| one /bin/sh
|

$ echo '{"Index":"x","Extra":1}'; echo oops >&2; exit 3
=> exit 3 json
| {"Index":"x"}
! oops
!

GET http://127.0.0.1:${dummy.http}/status/418
=> 418
| status 418
|

? host.example A port=${dummy.dns}
=> NOERROR rd ra
| ANSWER host.example. 60 IN A 192.0.2.10

$ touch seen; ls seen missing
% until 2s exit 2
% nostderr
=> exit 2
| seen
|
`
	if err := replayText(t, script); err != nil {
		t.Error(err)
	}
}

func TestReplaySaysWhatDiffers(t *testing.T) {
	for _, c := range []struct{ step, want string }{
		{"$ echo a\n=> exit 0\n| b\n|\n", `step 1 (line 3)`},
		{"$ exit 1\n=> exit 0\n", "want exit 0, got exit 1"},
		{"$ echo a\n", "no recorded expectation"},
		{"$ echo a\n% nomatch a\n=> exit 0\n", "should not match"},
		{"$ echo a >&2\n=> exit 0\n", "stderr"},
		{"$ sleep 0.3\n% took 0s 10ms\n=> exit 0\n", "it took"},
		{"GET http://127.0.0.1:${dummy.http}/status/200\n=> 200\n=> X-None: 1\n| status 200\n|\n", "X-None is missing"},
		{"await nothing\n", "no background step"},
		{"sing\n", "no such step"},
	} {
		err := replayText(t, "@manual\n\n"+c.step)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q gives %v, want %q", c.step, err, c.want)
		}
	}
}

func TestPortsAreNotSharedUntilReleased(t *testing.T) {
	h := newHost()
	seen := map[int]bool{}
	for range 20 {
		ports, err := h.freePorts(10)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range ports {
			if seen[p] {
				t.Fatalf("port %d was handed out twice", p)
			}
			seen[p] = true
		}
	}
}
