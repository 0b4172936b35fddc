package state

import (
	"testing"

	"muster/model"
)

func authority(id string) *model.CACommand {
	return &model.CACommand{Op: model.CAInit,
		Config:   &model.CAConfig{ClusterID: id, Provider: model.CABuiltin, Config: map[string]any{"LeafCertTTL": "72h"}},
		Provider: &model.CAProvider{ID: "p-" + id, PrivateKey: "key", RootCert: "cert-" + id},
		Root:     &model.CARoot{ID: "r-" + id, RootCert: "cert-" + id, SerialNumber: 9, Active: true},
	}
}

func TestAuthorityBeginsOnce(t *testing.T) {
	s := New()
	w := s.Watch(TopicCA)
	defer w.Close()
	apply := func(index uint64, c *model.CACommand) any {
		return s.Apply([]Entry{{index, mustEncode(t, model.CmdCA, c)}})[0]
	}
	expect(t, "first", apply(5, authority("a")), any(true))
	if !w.Fired() {
		t.Error("who waits for the roots was not woken")
	}
	expect(t, "second", apply(6, authority("b")), any(false))
	v := s.Current()
	index, roots := v.CARoots()
	root, signer := v.ActiveCA()
	if index != 5 || len(roots) != 1 || root != roots[0] || root.CreateIndex != 5 || signer == nil || signer.ID != "p-a" {
		t.Errorf("roots %v at %d, signer %+v", roots, index, signer)
	}
	expect(t, "trust domain", v.CAConfig().TrustDomain(), "a.consul")
	expect(t, "serial", apply(7, &model.CACommand{Op: model.CASerial}), any(uint64(10)))
	expect(t, "next serial", apply(8, &model.CACommand{Op: model.CASerial}), any(uint64(11)))
	for name, c := range map[string]*model.CACommand{
		"of no kind": {Op: "x"}, "without a root": {Op: model.CAInit, Config: &model.CAConfig{}, Provider: &model.CAProvider{}},
	} {
		if _, isError := apply(9, c).(error); !isError {
			t.Errorf("a command %s was obeyed", name)
		}
	}

	again := restored(t, persist(t, s)).Current()
	root, signer = again.ActiveCA()
	if root == nil || signer == nil || root.RootCert != "cert-a" || again.CAConfig().Config["LeafCertTTL"] != "72h" {
		t.Errorf("after a snapshot: root %+v, signer %+v, %+v", root, signer, again.CAConfig())
	}
	if got := again.index(tableCASerial); got != 11 {
		t.Errorf("after a snapshot the last serial is %d", got)
	}
}

// TestAuthorityOfConsul: the authority of a cluster that comes from Consul goes
// on, with the same root.
func TestAuthorityOfConsul(t *testing.T) {
	v := restored(t, originState(t)).Current()
	root, signer := v.ActiveCA()
	if root == nil || signer == nil || signer.PrivateKey == "" {
		t.Fatalf("root %+v, signer %+v", root, signer)
	}
	index, roots := v.CARoots()
	answers(t, "connect_ca_roots.json", struct {
		ActiveRootID, TrustDomain string
		Roots                     []*model.CARoot
	}{root.ID, v.CAConfig().TrustDomain(), roots})
	expect(t, "index", index, 12)
	expect(t, "serial", v.index(tableCASerial), 10)
}

// A cluster whose authority is elsewhere has a root and nothing to sign with.
func TestAuthorityElsewhere(t *testing.T) {
	c := authority("a")
	c.Provider.PrivateKey = ""
	s := New()
	s.Apply([]Entry{{5, mustEncode(t, model.CmdCA, c)}})
	if root, signer := s.Current().ActiveCA(); root == nil || signer != nil {
		t.Errorf("root %+v, signer %+v", root, signer)
	}
}
