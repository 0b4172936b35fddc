package httpd

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"muster/internal/authority"
	"muster/internal/authority/keypair"
	"muster/model"
)

// agentRequest is what an agent asks a certificate with.
func agentRequest(t testing.TB) string {
	t.Helper()
	text, _, err := authority.AgentRequest(authority.AgentURI("unknown.consul", "dc1", "n1"), []string{"localhost"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// beginAuthority gives the cluster a certificate authority.
func (r *rig) beginAuthority() authority.Root {
	r.t.Helper()
	root, err := authority.NewRoot("cluster.consul", 1, time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	r.log.Apply(r.t, model.CmdCA, &model.CACommand{Op: model.CAInit,
		Config:   &model.CAConfig{ClusterID: "cluster", Provider: model.CABuiltin, Config: map[string]any{"LeafCertTTL": "2h"}},
		Provider: &model.CAProvider{ID: "p", RootCert: root.Cert, PrivateKey: root.Key},
		Root:     &model.CARoot{ID: "r", Name: "Consul CA Root Cert", RootCert: root.Cert, Active: true},
	})
	return root
}

func TestCARoots(t *testing.T) {
	r := newRig(t)
	if w := r.do("GET", "/v1/connect/ca/roots", ""); w.Body.String() != `{"ActiveRootID":"","TrustDomain":"","Roots":[]}` {
		t.Errorf("without an authority: %d %s", w.Code, w.Body)
	}
	root := r.beginAuthority()
	for _, path := range []string{"/v1/connect/ca/roots", "/v1/agent/connect/ca/roots"} {
		w := r.do("GET", path, "")
		var got struct {
			ActiveRootID, TrustDomain string
			Roots                     []struct{ ID, RootCert string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got.ActiveRootID != "r" || got.TrustDomain != "cluster.consul" || got.Roots[0].RootCert != root.Cert || w.Header().Get("X-Consul-Index") != "1" {
			t.Errorf("%s: %s", path, w.Body)
		}
		w = r.do("GET", path+"?pem=true", "")
		if w.Body.String() != root.Cert || w.Header().Get("Content-Type") != "application/pem-certificate-chain" {
			t.Errorf("%s?pem: %s %q", path, w.Header(), w.Body)
		}
	}
	off := newRig(t, func(c *Config) { c.Connect = false })
	if w := off.do("GET", "/v1/connect/ca/roots", ""); w.Code != http.StatusInternalServerError ||
		w.Body.String() != "Connect must be enabled in order to use this endpoint" {
		t.Errorf("without Connect: %d %s", w.Code, w.Body)
	}
}

func TestSignAgent(t *testing.T) {
	r := newRig(t)
	sign := func(body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r.door.Forwarded().ServeHTTP(w, request("PUT", "/v1/internal/agent/sign", body))
		return w
	}
	if w := sign(agentRequest(t)); w.Code != http.StatusInternalServerError {
		t.Errorf("without an authority: %d %s", w.Code, w.Body)
	}
	root := r.beginAuthority()
	w := sign(agentRequest(t))
	var got struct{ Certificate, TrustDomain string }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	block, _ := pem.Decode([]byte(got.Certificate))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	by, err := keypair.ParseCertificate(root.Cert)
	if err != nil {
		t.Fatal(err)
	}
	if err := cert.CheckSignatureFrom(by); err != nil {
		t.Error(err)
	}
	if uri := cert.URIs[0].String(); uri != "spiffe://cluster.consul/agent/client/dc/dc1/id/n1" || got.TrustDomain != "cluster.consul" {
		t.Errorf("it is called %s in %s", uri, got.TrustDomain)
	}
	if life := time.Until(cert.NotAfter).Round(time.Hour); life != 2*time.Hour {
		t.Errorf("it lives %s", life)
	}
	if w := sign("x"); w.Code != http.StatusBadRequest {
		t.Errorf("nonsense: %d %s", w.Code, w.Body)
	}
	// Clients find nothing there, whatever they ask.
	for _, method := range []string{"PUT", "GET", "OPTIONS"} {
		if w := r.do(method, "/v1/internal/agent/sign", agentRequest(t)); w.Code != http.StatusNotFound || w.Body.Len() > 0 || w.Header().Get("Allow") != "" {
			t.Errorf("%s over the API: %d %s", method, w.Code, w.Body)
		}
	}
}
