package httpd

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"muster/model"
)

// FuzzUnmarshal: whatever the fast parser takes, the standard library takes
// too, and reads the same.
func FuzzUnmarshal(f *testing.F) {
	for _, s := range []string{
		`[{"KV":{"Verb":"set","Key":"a","Value":"MQ==","Flags":7}}]`,
		`[{"kv":{"verb":"get","key":"\u00e9\ud83d\ude00"}},{"Node":{"Verb":"set","Node":{"Node":"n","Meta":{"a":"b"}}}}]`,
		`[{"Check":{"Verb":"cas","Check":{"Definition":{"Interval":"10s","TTL":5,"Header":{"a":["b"]}}}}}]`,
		`[{}, null]`, `[{"KV":null}]`, `[{"KV":{"Flags":1.5}}]`, `[] trailing`, `[{"KV":{"Value":"*"}}]`, `{"a":01}`, "\xff",
		`{"Node":"n1","Address":"10.0.0.1","Service":{"Tags":null,"Meta":{"a":"b"}}} x`, `{"NODE":"a","node":"b"}`, `{"Node":"a","Node":null}`, `{"Node":1}`,
		`{"Name":"c","TTL":"10s","Header":{"a":["b"]},"Interval":1e3}`, `[{"KV":{"Value":"MQ"}}]`, `{"Service":{"Tags":["a"]},"service":{"Tags":[]}}`,
		`{"Port":1.0}`, `{"Port":01}`, `{"Port":1e2}`, `{"Port":99999999999999999999}`, `{"Name":"\ud800"}`, "{\"Name\":\"\xff\"}", "{\"Name\":\"\t\"}", `{"Name":"a",}`,
		`{"Checks":[{"Name":"a"},null]}`, `{"x":1}`, `{"Name":"\u0000"}`, "\ufeff{}", `{"Connect":{"SidecarService":{"Port":1}}}`, `{"Tags":{}}`, `{"Meta":{"a":1}}`,
		`{"TTL":{}}`, `null`, ``, `[`, `{"Name":"a"}{"Name":"b"}`, `{"Weights":{"Passing":-0}}`, `{"ſervice":{}}`, `{"Proxy":{"Config":{"a":1,"b":[1.5,1e400]}}}`,
		`{"Meta":{"a":"b","a":"c"}}`, `{"Check":{"Name":"a"},"check":{"Notes":"b"}}`, `{"Coord":{"Vec":[1,1e308,1e309]}}`, `{"Port":-0}`, `{"EnableTagOverride":"true"}`,
		"{\"Name\":\"\u2028</script>\"}", `{"Name":"\/\b\f\n\r\t\"\\"}`, `{"Name":"\x"}`, `{"Name" : "a"	}`, "{}\x00", `{"":1}`, `{"-":1}`, strings.Repeat("[", 10001),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		compare[[]txnRequest](t, b)
		compare[model.RegisterRequest](t, b)
		compare[model.ServiceDefinition](t, b)
		compare[model.CheckDefinition](t, b)
		compare[model.DeregisterRequest](t, b)
		compare[struct {
			Datacenter string
			model.Coordinate
		}](t, b)
	})
}

func compare[T any](t *testing.T, b []byte) {
	t.Helper()
	var got, want T
	gotErr := unmarshal(b, &got)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	wantErr := d.Decode(&want)
	if (gotErr == nil) != (wantErr == nil) || gotErr != nil && gotErr.Error() != wantErr.Error() {
		t.Fatalf("%T of %q: got error %v, the standard library says %v", got, b, gotErr, wantErr)
	}
	if gotErr == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("%T of %q:\ngot  %+v\nwant %+v", got, b, got, want)
	}
}
