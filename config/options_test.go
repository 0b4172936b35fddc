package config

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"muster/config/syntax"
	"muster/model"
)

func TestTableIsSound(t *testing.T) {
	rows := map[string]*Option{}
	flags := map[string]string{}
	options := Options()
	for i := range options {
		o := &options[i]
		if rows[o.Key] != nil {
			t.Errorf("%s is in the table twice", o.Key)
		}
		rows[o.Key] = o
		if o.Flag != "" && flags[o.Flag] != "" {
			t.Errorf("-%s belongs to %s and to %s", o.Flag, flags[o.Flag], o.Key)
		}
		flags[o.Flag] = o.Key
		if o.Key != strings.ToLower(o.Key) || o.Doc == "" || o.Type == "" {
			t.Errorf("%s: key, type or description is not as it should be", o.Key)
		}
		if o.Idle != "" && o.Moot != "" {
			t.Errorf("%s is both idle and moot", o.Key)
		}
		for _, dev := range []bool{false, true} {
			if _, err := preset(o, dev); err != nil {
				t.Errorf("default of %s: %v", o.Key, err)
			}
		}
		if o.Type == Duration {
			if _, err := toDuration(o.Key, o.Default); err != nil {
				t.Error(err)
			}
		}
	}
	for _, o := range options {
		if o.For == "" {
			continue
		}
		if to := rows[o.For]; to == nil || to.For != "" || to.Type != o.Type {
			t.Errorf("%s stands for %s, which is no option of the same type", o.Key, o.For)
		}
	}
}

// Every option that is said to have an effect reaches Config.
func TestActedOptionsAreRead(t *testing.T) {
	v := newValues(Options(), false)
	v.read = map[string]bool{}
	v.said["data_dir"] = "x"
	b := &builder{values: v, host: testHost(), offline: true}
	c, err := b.build()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := check(c, v, testHost()); err != nil {
		t.Fatal(err)
	}
	for _, o := range Options() {
		if o.Acted() && o.For == "" && !v.read[o.Key] {
			t.Errorf("%s is neither read nor said to have no effect", o.Key)
		}
	}
	v.problems = nil
	if get[bool](v, "no.such"); len(v.problems) == 0 {
		t.Error("an option that does not exist was read")
	}
	if get[bool](v, "data_dir"); len(v.problems) < 2 {
		t.Error("a text was read as a bool")
	}
}

// fill makes a definition that uses every field once.
func fill(options []Option, depth int) map[string]any {
	rec := map[string]any{}
	for _, o := range options {
		if o.For != "" || o.Mark == Enterprise || o.Name == "-" {
			continue
		}
		var v any
		switch o.Type {
		case Bool:
			v = true
		case Int, Span:
			v = int64(1)
		case String:
			v = "x"
		case Strings:
			v = []string{"x"}
		case Map:
			v = map[string]string{"k": "v"}
		case Lists:
			v = map[string][]string{"k": {"v"}}
		case Any:
			v = map[string]any{"k": "v"}
		case Objects, Object, Named:
			if depth == 0 {
				continue
			}
			m := map[string]any{"k": "v"}
			if o.Fields != nil {
				m = fill(o.Fields(), depth-1)
			}
			switch o.Type {
			case Objects:
				v = []map[string]any{m}
			case Named:
				v = map[string]any{"n": m}
			default:
				v = m
			}
		}
		place(rec, o.fieldName(), v)
	}
	return rec
}

// The names of the fields of definitions are those of the model.
func TestFieldsFitTheModel(t *testing.T) {
	for name, to := range map[string]any{"service": &model.ServiceDefinition{}, "check": &model.CheckDefinition{}} {
		fields := serviceFields
		if name == "check" {
			fields = checkFields
		}
		b := &builder{values: newValues(nil, false)}
		if !b.convert(name, fill(fields(), 3), to) {
			t.Error(b.values.err())
		}
	}
}

func TestDebugNamesDoNotCollide(t *testing.T) {
	seen := map[string]string{}
	for _, o := range Options() {
		name := o.debugName()
		if o.For != "" || o.Removed || name == "-" {
			continue
		}
		if seen[name] != "" {
			t.Errorf("%s and %s are both %s", o.Key, seen[name], name)
		}
		seen[name] = o.Key
		for at := strings.LastIndex(name, "."); at > 0; at = strings.LastIndex(name[:at], ".") {
			if other := seen[name[:at]]; other != "" {
				t.Errorf("%s of %s lies inside of %s", name, o.Key, other)
			}
		}
	}
}

func TestCamel(t *testing.T) {
	for key, want := range map[string]string{
		"session_ttl_min": "SessionTTLMin", "tls_skip_verify": "TLSSkipVerify", "enable_tag_override": "EnableTagOverride",
		"serf_lan_allowed_cidrs": "SerfLANAllowedCIDRs", "h2ping_use_tls": "H2PingUseTLS", "x__y": "XY", "": "",
	} {
		if got := camel(key); got != want {
			t.Errorf("%q: got %q, want %q", key, got, want)
		}
	}
	for m, want := range map[Mark]string{Core: "core", Newer: "newer", Internal: "internal"} {
		if m.String() != want {
			t.Errorf("mark %d is %s", m, m)
		}
	}
}

func TestCoerce(t *testing.T) {
	for _, c := range []struct {
		typ  Type
		in   any
		want any
		err  string
	}{
		{Bool, "true", true, ""}, {Bool, "1", true, ""}, {Bool, int64(0), false, ""}, {Bool, 1.0, true, ""}, {Bool, "", false, ""},
		{Bool, "maybe", nil, `cannot parse 'k' as bool: strconv.ParseBool: parsing "maybe": invalid syntax`},
		{Bool, []any{}, nil, "'k' expected type 'bool', got 'slice'"},
		{Int, "12", int64(12), ""}, {Int, true, int64(1), ""}, {Int, false, int64(0), ""}, {Int, 3.0, int64(3), ""}, {Int, "", int64(0), ""},
		{Int, "many", nil, `cannot parse 'k' as int: strconv.ParseInt: parsing "many": invalid syntax`},
		{Int, 1.5, nil, "cannot parse 'k' as int: 1.5 is not a whole number"},
		{Int, math.MaxFloat64, nil, "cannot parse 'k' as int: 1.7976931348623157e+308 is not a whole number"},
		{Int, map[string]any{}, nil, "'k' expected type 'int', got 'map'"},
		{Float, "1.5", 1.5, ""}, {Float, int64(2), 2.0, ""}, {Float, true, 1.0, ""}, {Float, false, 0.0, ""}, {Float, "", 0.0, ""}, {Float, 2.5, 2.5, ""},
		{Float, "x", nil, `cannot parse 'k' as float: strconv.ParseFloat: parsing "x": invalid syntax`},
		{Float, nil, nil, "'k' expected type 'float', got 'null'"},
		{String, true, "1", ""}, {String, false, "0", ""}, {String, int64(5), "5", ""}, {String, 1.5, "1.5", ""},
		{String, []any{"a"}, nil, "'k' expected type 'string', got 'slice'"},
		{Span, "10s", int64(1e10), ""}, {Span, int64(5), int64(5), ""},
		{Span, "10", nil, `k: invalid duration: "10": time: missing unit in duration "10"`},
		{Strings, "a", []string{"a"}, ""}, {Strings, "", []string{}, ""}, {Strings, []any{"a", int64(1)}, []string{"a", "1"}, ""},
		{Strings, []any{"a", []any{}}, nil, "'k[1]' expected type 'string', got 'slice'"},
		{Map, syntax.Blocks{{"a": int64(1)}}, map[string]string{"a": "1"}, ""}, {Map, map[string]any{"a": nil}, map[string]string{}, ""},
		{Map, syntax.Blocks{{}, {}}, nil, "'k' expected a map, got 'slice'"}, {Map, "x", nil, "'k' expected a map, got 'string'"},
		{Map, map[string]any{"a": []any{}}, nil, "'k[a]' expected type 'string', got 'slice'"},
		{Lists, []any{map[string]any{"a": "b"}}, map[string][]string{"a": {"b"}}, ""},
		{Any, syntax.Blocks{{"a": syntax.Blocks{{"b": int64(1)}}, "c": syntax.Blocks{{}, {}}}},
			map[string]any{"a": map[string]any{"b": 1.0}, "c": []any{map[string]any{}, map[string]any{}}}, ""},
		{Any, 1.5, nil, "'k' expected a map, got 'float'"},
		{Objects, map[string]any{"a": []any{int64(1)}}, []map[string]any{{"a": []any{1.0}}}, ""},
		{Objects, []any{true}, nil, "'k[0]' expected a map, got 'bool'"}, {Objects, true, nil, "'k' expected a map, got 'bool'"},
		{Object, true, nil, "'k' cannot hold a value"},
	} {
		got, err := coerce(c.typ, "k", c.in)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%s %v: got error %v, want %s", c.typ, c.in, err, c.err)
			}
		} else if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s %v: got %#v, %v, want %#v", c.typ, c.in, got, err, c.want)
		}
	}
}

func TestDebugIsJSON(t *testing.T) {
	for _, dev := range []bool{false, true} {
		c := load(t, Flags{Dev: dev, HCL: []string{`data_dir = "x" encrypt = "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="
			service { name = "web" token = "secret-1" check { ttl = "5s" token = "secret-2" } }
			acl { tokens { agent = "secret-3" } }
			watches = [{ type = "key" key = "a" token = "secret-4" args = ["x"] }]
			ports { dns = -1 } check_update_interval = "300s" ae_interval = "9h"`}})
		d := c.Debug()
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "secret-") || strings.Contains(string(text), "pUqJ") {
			t.Errorf("a secret is shown: %s", text)
		}
		for name, want := range map[string]any{
			"DevMode": dev, "DNSPort": -1, "CheckUpdateInterval": "5m0s", "EncryptKey": hidden, "AEInterval": "1m0s",
			"SerfAdvertiseAddrLAN": "tcp://" + c.Gossip.LAN.Advertise.String(), "NodeName": "host",
			"HTTPAddrs": []string{"tcp://127.0.0.1:8500"}, "DNSRecursors": []string(nil), "CacheEntryFetchRate": math.MaxFloat64,
		} {
			if !reflect.DeepEqual(d[name], want) {
				t.Errorf("%s: got %#v, want %#v", name, d[name], want)
			}
		}
	}
}

func TestDiff(t *testing.T) {
	base := `data_dir = "x" service { name = "a" } check_update_interval = "300s" ports { grpc = 1 }`
	other := `data_dir = "x" service { name = "b" } check_update_interval = "5m" ports { http = 1 grpc = 2 } log_level = "debug" encrypt = "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="`
	a, b := load(t, Flags{HCL: []string{base}}), load(t, Flags{HCL: []string{other}})
	want := []Change{{"encrypt", false, "hidden", "hidden"}, {"ports.http", false, "8500", "1"},
		{"services", true, "...", "..."}, {"log_level", true, "INFO", "debug"}}
	if got := Diff(a, b); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Diff(a, load(t, Flags{HCL: []string{base, `recursors = [] node_meta {} ports { dns = 8600 }`}})); len(got) > 0 {
		t.Errorf("saying the default is a change: %v", got)
	}
}
