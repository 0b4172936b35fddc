package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"
)

// fill gives every field a value that is not its zero, so that a field that is
// added later is not forgotten.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Pointer:
		if v.Type() == reflect.TypeFor[*ServiceDefinition]() {
			return // it holds itself
		}
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("k"), value)
	case reflect.Interface:
		v.Set(reflect.ValueOf("x"))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint64:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(1)
	default:
		panic(v.Kind())
	}
}

func filled[T any]() *T {
	v := new(T)
	fill(reflect.ValueOf(v).Elem())
	return v
}

// Two things that differ in any field but the indexes are not the same.
func TestSameSeesEveryField(t *testing.T) {
	testSame(t, (*Node).Same, (*Node).Clone)
	testSame(t, (*NodeService).Same, (*NodeService).Clone)
	testSame(t, (*HealthCheck).Same, (*HealthCheck).Clone)
}

func testSame[T any](t *testing.T, same func(a, b *T) bool, clone func(*T) *T) {
	t.Helper()
	a := filled[T]()
	if !same(a, clone(a)) || !same(a, filled[T]()) || !same(new(T), new(T)) {
		t.Errorf("%T: equal ones are not the same", a)
	}
	typ := reflect.TypeFor[T]()
	for i := range typ.NumField() {
		b := clone(a)
		reflect.ValueOf(b).Elem().Field(i).SetZero()
		indexes := typ.Field(i).Type == reflect.TypeFor[RaftIndex]()
		if same(a, b) != indexes || same(b, a) != indexes {
			t.Errorf("%T: Same overlooks %s", a, typ.Field(i).Name)
		}
	}
}

// What is changed in a clone leaves the original as it was.
func TestClonesAreApart(t *testing.T) {
	testClone(t, (*Node).Clone)
	testClone(t, (*NodeService).Clone)
	testClone(t, (*HealthCheck).Clone)
}

func testClone[T any](t *testing.T, clone func(*T) *T) {
	t.Helper()
	a := filled[T]()
	spoil(reflect.ValueOf(clone(a)).Elem())
	if !reflect.DeepEqual(a, filled[T]()) {
		t.Errorf("%T: a change of the clone shows", a)
	}
}

// spoil changes every list, map and Weights in place. Proxy and Connect are shared
// by design; Locality is never changed.
func spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[ProxyConfig]() || v.Type() == reflect.TypeFor[ServiceConnect]() {
			return
		}
		for i := range v.NumField() {
			spoil(v.Field(i))
		}
	case reflect.Pointer:
		if v.Type() == reflect.TypeFor[*Weights]() {
			v.Elem().SetZero()
		}
	case reflect.Slice:
		v.Index(0).SetZero()
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if value := v.MapIndex(k); value.Kind() == reflect.Slice {
				spoil(value)
			}
			v.SetMapIndex(k, reflect.Zero(v.Type().Elem()))
		}
	}
}

func TestDurationJSON(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`"10s"`: 10 * time.Second, `"1h2m"`: 62 * time.Minute, `""`: 0, `1000000000`: time.Second, `1.5e9`: 1500 * time.Millisecond, `null`: 0, `0`: 0,
	} {
		var d Duration
		if err := json.Unmarshal([]byte(text), &d); err != nil || time.Duration(d) != want {
			t.Errorf("%s: got %v, %v", text, d, err)
		}
	}
	for _, text := range []string{`"10"`, `"x"`, `true`, `{}`, `[1]`} {
		if err := json.Unmarshal([]byte(text), new(Duration)); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
	out, err := json.Marshal(Duration(90 * time.Second))
	if err != nil || string(out) != `"1m30s"` {
		t.Errorf("got %s, %v", out, err)
	}
}

func FuzzDurationJSON(f *testing.F) {
	for _, s := range []string{`"10s"`, `1e9`, `1e300`, `null`, `""`, `"`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Duration
		if d.UnmarshalJSON(b) != nil {
			return
		}
		out, err := d.MarshalJSON()
		var again Duration
		if err != nil || again.UnmarshalJSON(out) != nil || again != d {
			t.Errorf("%s: %v became %v", b, d, again)
		}
	})
}

func TestDefinitionNormalize(t *testing.T) {
	var d HealthCheckDefinition
	err := json.Unmarshal([]byte(`{"Interval": "5s", "IntervalDuration": 7, "TimeoutDuration": 1000000000, "DeregisterCriticalServiceAfterDuration": 60000000000}`), &d)
	if err != nil {
		t.Fatal(err)
	}
	d.Normalize()
	want := HealthCheckDefinition{Interval: Duration(5 * time.Second), Timeout: Duration(time.Second), DeregisterCriticalServiceAfter: Duration(time.Minute)}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("got %+v", d)
	}
	out, err := json.Marshal(HealthCheckDefinition{})
	if err != nil || string(out) != "{}" {
		t.Errorf("nothing is %s, %v", out, err)
	}
}

func TestAggregate(t *testing.T) {
	c := func(id, status string) *HealthCheck { return &HealthCheck{CheckID: id, Status: status} }
	for _, tt := range []struct {
		checks []*HealthCheck
		want   string
	}{
		{nil, HealthPassing},
		{[]*HealthCheck{c("a", HealthPassing)}, HealthPassing},
		{[]*HealthCheck{c("a", HealthPassing), c("b", HealthWarning)}, HealthWarning},
		{[]*HealthCheck{c("a", HealthCritical), c("b", HealthWarning)}, HealthCritical},
		{[]*HealthCheck{c("a", "nonsense"), c("b", HealthWarning)}, "nonsense"},
		{[]*HealthCheck{c(NodeMaintID, HealthCritical), c("b", HealthCritical)}, HealthMaint},
		{[]*HealthCheck{c("b", HealthCritical), c(ServiceMaintPrefix+"web", HealthCritical)}, HealthMaint},
		{[]*HealthCheck{c("_service_maintenance", HealthPassing)}, HealthPassing},
	} {
		if got := Aggregate(tt.checks); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
	for _, s := range []string{HealthPassing, HealthWarning, HealthCritical} {
		if !ValidStatus(s) || Worse(s, s) != s {
			t.Errorf("%s is no status", s)
		}
	}
	if ValidStatus(HealthAny) || ValidStatus(HealthMaint) || ValidStatus("") {
		t.Error("what no check can have is a status")
	}
}

// The numbers are in snapshots and logs: they can never change.
func TestCommandNumbers(t *testing.T) {
	got := []CommandType{CmdRegister, CmdDeregister, CmdKV, CmdSession, CmdTombstone, CmdCoordinates, CmdTxn, CmdIndex}
	if want := []CommandType{0, 1, 2, 3, 5, 6, 8, 16}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTxnReadOnly(t *testing.T) {
	node := func(v TxnVerb) TxnOp { return TxnOp{Node: &TxnNode{Verb: v}} }
	kv := func(v KVOp) TxnOp { return TxnOp{KV: &TxnKV{Verb: v}} }
	for _, op := range []TxnOp{{}, node(VerbGet), {Service: &TxnService{Verb: VerbGet}}, {Check: &TxnCheck{Verb: VerbGet}},
		kv(KVGet), kv(KVGetTree), kv(KVGetOrEmpty), kv(KVCheckIndex), kv(KVCheckSession), kv(KVCheckNotExists)} {
		if !(&Txn{Ops: []TxnOp{op, op}}).ReadOnly() {
			t.Errorf("%+v writes", op)
		}
	}
	for _, op := range []TxnOp{node(VerbSet), node("nonsense"), {Service: &TxnService{Verb: VerbDelete}}, {Check: &TxnCheck{Verb: VerbCAS}},
		{Session: &TxnSession{Verb: VerbGet}}, kv(KVSet), kv(KVCAS), kv(KVDelete), kv(KVDeleteCAS), kv(KVDeleteTree), kv(KVLock), kv(KVUnlock)} {
		if (&Txn{Ops: []TxnOp{node(VerbGet), op}}).ReadOnly() {
			t.Errorf("%+v only reads", op)
		}
	}
	if got := (TxnError{OpIndex: 3, What: "failed"}).Error(); got != "op 3: failed" {
		t.Errorf("got %q", got)
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("disk full")
	err := Errorf(TooLarge, "save %s: %w", "x", cause)
	if err.Error() != "save x: disk full" || !errors.Is(err, cause) || KindOf(err) != TooLarge {
		t.Errorf("got %v of kind %d", err, KindOf(err))
	}
	wrapped := fmt.Errorf("more: %w", err)
	if KindOf(wrapped) != TooLarge || KindOf(cause) != Internal || KindOf(nil) != Internal {
		t.Error("the kind is lost")
	}
	if KindOf(ErrNotLeader) != NotLeader || ErrNotLeader.Error() != "node is not the leader" {
		t.Errorf("got %v", ErrNotLeader)
	}
}

func TestSessionCheckIDs(t *testing.T) {
	s := Session{NodeChecks: []string{"a"}, Checks: []string{"b"}, ServiceChecks: []ServiceCheck{{ID: "c"}}}
	if got := s.CheckIDs(); !reflect.DeepEqual(got, []string{"a", "b", "c"}) {
		t.Errorf("got %v", got)
	}
}

func TestCoordinates(t *testing.T) {
	at := func(x float64) *Vector { return &Vector{Vec: []float64{x, 0, 0, 0, 0, 0, 0, 0}, Height: 0.001} }
	if got := at(0).RTT(at(0.01)); got < 0.01199 || got > 0.01201 {
		t.Errorf("got %v", got)
	}
	near := at(0.01)
	near.Adjustment = -1
	if got := at(0).RTT(near); got < 0.01199 || got > 0.01201 {
		t.Errorf("an adjustment below nothing counts: %v", got)
	}
	if err := at(1).Validate(); err != nil {
		t.Error(err)
	}
	nan := at(0)
	nan.Error = nan.Error / nan.Error
	for _, bad := range []*Vector{{}, {Vec: make([]float64, 9)}, nan} {
		if err := bad.Validate(); KindOf(err) != BadRequest {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
