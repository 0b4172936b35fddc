package ops_test

import (
	"net/netip"
	"testing"

	"muster/acl"
	"muster/ops"
	"muster/ops/opstest"
)

// Questions that differ in anything must not share an answer, whatever
// characters callers put into names, tags, filters and metadata.
func TestQuestionKeysDiffer(t *testing.T) {
	o := opstest.NewLog().Ops(acl.Open{})
	meta := func(pairs ...string) *ops.Query {
		q := &ops.Query{NodeMeta: map[string]string{}}
		for i := 0; i < len(pairs); i += 2 {
			q.NodeMeta[pairs[i]] = pairs[i+1]
		}
		return q
	}
	none := &ops.Query{}
	keys := map[string]string{}
	add := func(what, key string) {
		t.Helper()
		if key == "" {
			return // not shared at all
		}
		if other := keys[key]; other != "" {
			t.Errorf("%s and %s share an answer", what, other)
		}
		keys[key] = what
	}
	for what, tags := range map[string][]string{
		"no tags": nil, "an empty tag": {""}, "two empty tags": {"", ""}, "a and b": {"a", "b"},
		"a SOH b": {"a\x01b"}, "a NUL b": {"a\x00b"}, "ab": {"ab"}, "1:a1:b": {"1:a1:b"},
	} {
		add("health with "+what, o.Health("web", tags, false, none).Key)
		add("passing with "+what, o.Health("web", tags, true, none).Key)
		add("instances with "+what, o.Instances("web", tags, none).Key)
	}
	for what, q := range map[string]*ops.Query{
		"two pairs": meta("a", "b", "c", "d"), "one pair that looks like two": meta("a", "b\x02c\x01d"),
		"a pair": meta("a", "b"), "a name that looks like a pair": meta("a\x01b", ""), "an empty pair": meta("", ""),
		"near": {Near: "x"}, "filter": {Filter: "x"}, "near and filter": {Near: "x", Filter: "x"},
		"near with a NUL": {Near: "x\x00x"}, "nothing": none,
	} {
		add("nodes with "+what, o.Nodes(q).Key)
		if q.Near == "" && q.Filter == "" {
			add("services with "+what, o.Services(q).Key)
		}
		add("checks in state with "+what, o.ChecksInState("any", q).Key)
	}
	add("keys below a, cut at b NUL c", o.KVKeys("a", "b\x00c").Key)
	add("keys below a NUL b, cut at c", o.KVKeys("a\x00b", "c").Key)
	add("list of a", o.KVList("a").Key)
	add("sessions", o.Sessions("").Key)
	add("sessions of n", o.Sessions("n").Key)
	add("coordinates", o.Coordinates("").Key)
	add("coordinates of n", o.NodeCoordinates("n").Key)
	add("node by name", o.NodeByName("n").Key)
	add("owners", o.AddressOwners(netip.MustParseAddr("10.0.0.1")).Key)
	add("dumps", o.NodeDumps("", none).Key)
	add("summaries", o.ServiceSummaries(none).Key)
	if len(keys) < 30 {
		t.Errorf("only %d questions are shared", len(keys))
	}
}
