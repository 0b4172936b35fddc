package ops

import (
	"context"
	"time"

	"muster/acl"
	"muster/internal/authority"
	"muster/model"
	"muster/state"
)

// CARoots are the roots of the cluster's certificate authority.
type CARoots struct {
	ActiveRootID string
	TrustDomain  string
	Roots        []*model.CARoot
}

// CARoots asks for the roots of the certificate authority. They are no secret.
func (o *Ops) CARoots() Question[*CARoots] {
	return Question[*CARoots]{
		Key:    questionKey("ca-roots", ""),
		Topics: []state.Topic{state.TopicCA},
		Eval: func(v *state.Version) (uint64, *CARoots, error) {
			index, roots := v.CARoots()
			out := &CARoots{Roots: roots}
			if out.Roots == nil {
				out.Roots = []*model.CARoot{}
			}
			if c := v.CAConfig(); c != nil {
				out.TrustDomain = c.TrustDomain()
			}
			if active, _ := v.ActiveCA(); active != nil {
				out.ActiveRootID = active.ID
			}
			return index, out, nil
		},
	}
}

// Bounds of how long certificates live.
const (
	leafLife    = 72 * time.Hour
	leafLifeMin = time.Hour
	leafLifeMax = 10 * 365 * 24 * time.Hour
)

// AgentCertificate is what a client agent gets for its request.
type AgentCertificate struct {
	Certificate string // PEM, with those between it and the root
	TrustDomain string
}

// SignAgent grants the request (PEM) of a client agent for a certificate that
// proves that it belongs to this cluster. It never is one of a server: who asks
// for the name of one is refused. The agent does not know the trust domain
// before it is granted.
func (o *Ops) SignAgent(ctx context.Context, token, request string, isServerName func(string) bool) (*AgentCertificate, error) {
	req, err := authority.ParseAgentRequest(request)
	if err != nil {
		return nil, model.Errorf(model.BadRequest, "CSR: %w", err)
	}
	if err := o.allow(token, acl.Node, req.Node, acl.Write); err != nil {
		return nil, err
	}
	if req.Datacenter != o.datacenter {
		return nil, model.Errorf(model.BadRequest, "the agent is of datacenter %q, not of %q", req.Datacenter, o.datacenter)
	}
	for _, name := range req.DNSNames() {
		if isServerName(name) {
			return nil, model.Errorf(model.BadRequest, "%q is the name of a server: take it out of auto_encrypt.dns_san", name)
		}
	}
	v := o.store.Current()
	root, signer := v.ActiveCA()
	config := v.CAConfig()
	switch {
	case root == nil || config == nil:
		return nil, model.Errorf(model.Internal, "the cluster has no certificate authority yet: it is made when the leader has auto_encrypt.allow_tls or connect.enabled")
	case signer == nil:
		return nil, model.Errorf(model.Internal, "the cluster's certificate authority is %q, which muster cannot sign with", config.Provider)
	}
	serial, err := o.propose(ctx, model.CmdCA, &model.CACommand{Op: model.CASerial})
	if err != nil {
		return nil, err
	}
	number, ok := serial.(uint64)
	if !ok {
		return nil, model.Errorf(model.Internal, "take a serial number: got a %T", serial)
	}
	by := authority.Root{Cert: signer.RootCert, Key: signer.PrivateKey}
	if signer.IntermediateCert != "" {
		by.Cert = signer.IntermediateCert
	}
	cert, err := by.SignAgent(req, config.TrustDomain(), number, time.Now(), lifeOf(config))
	if err != nil {
		return nil, model.Errorf(model.Internal, "sign the certificate of an agent: %w", err)
	}
	return &AgentCertificate{cert + signer.IntermediateCert, config.TrustDomain()}, nil
}

// lifeOf is how long certificates live, as configured; what cannot be
// understood counts as the default.
func lifeOf(c *model.CAConfig) time.Duration {
	text, _ := c.Config["LeafCertTTL"].(string)
	life, err := time.ParseDuration(text)
	if err != nil {
		return leafLife
	}
	return min(max(life, leafLifeMin), leafLifeMax)
}
