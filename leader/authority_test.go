package leader

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/internal/authority"
	"muster/internal/authority/keypair"
	"muster/model"
)

func TestAuthorityBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		duty := NewAuthority(l, l.store, map[string]any{"LeafCertTTL": "48h"}, func() string { return "cluster" }, hclog.NewNullLogger())
		l.begin(t, duty)
		synctest.Wait()
		root, signer := l.store.Current().ActiveCA()
		config := l.store.Current().CAConfig()
		if root == nil || signer == nil || config == nil {
			t.Fatalf("root %+v, signer %+v, %+v", root, signer, config)
		}
		if config.TrustDomain() != "cluster.consul" || config.Config["LeafCertTTL"] != "48h" || config.Config["IntermediateCertTTL"] != "8760h" {
			t.Errorf("configured %+v", config)
		}
		cert, err := keypair.ParseCertificate(root.RootCert)
		if err != nil || root.ID != authority.Fingerprint(cert) || root.SigningKeyID != authority.KeyID(cert) || !root.NotAfter.Equal(cert.NotAfter) {
			t.Errorf("root %+v of %v, %v", root, cert, err)
		}
		// Another term, and time, change nothing.
		l.lead(0)
		l.lead(3)
		time.Sleep(time.Hour)
		if again, _ := l.store.Current().ActiveCA(); again != root {
			t.Error("another root")
		}
		if p := l.takeProposals(); len(p) != 1 || p[0] != model.CmdCA {
			t.Errorf("proposals %v", p)
		}
	})
}

// TestAuthorityIsTriedAgain: nobody has to restart a server for it.
func TestAuthorityIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		var failing atomic.Bool
		failing.Store(true)
		l.before = func(model.CommandType) error {
			if failing.Load() {
				return errors.New("not now")
			}
			return nil
		}
		l.begin(t, NewAuthority(l, l.store, nil, func() string { return "cluster" }, hclog.NewNullLogger()))
		synctest.Wait()
		if root, _ := l.store.Current().ActiveCA(); root != nil {
			t.Fatal("there is a root")
		}
		failing.Store(false)
		time.Sleep(2 * caRetry)
		synctest.Wait()
		if root, _ := l.store.Current().ActiveCA(); root == nil {
			t.Error("there is no root")
		}
	})
}
