package httpd

import (
	"bytes"
	"encoding/json"
	"reflect"
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
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		compare[[]txnRequest](t, b)
		compare[model.RegisterRequest](t, b)
		compare[model.ServiceDefinition](t, b)
	})
}

func compare[T any](t *testing.T, b []byte) {
	t.Helper()
	var got, want T
	gotErr := unmarshal(b, &got)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	wantErr := d.Decode(&want)
	if (gotErr == nil) != (wantErr == nil) {
		t.Fatalf("%T of %q: got error %v, the standard library says %v", got, b, gotErr, wantErr)
	}
	if gotErr == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("%T of %q:\ngot  %+v\nwant %+v", got, b, got, want)
	}
}
