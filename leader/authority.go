package leader

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/internal/authority"
	"muster/internal/authority/keypair"
	"muster/model"
	"muster/state"
)

// caRetry is how long the leader waits after it failed to begin an authority.
const caRetry = time.Second

// Authority has the cluster get a certificate authority of its own, once. Each
// datacenter has one.
type Authority struct {
	proposer
	store   *state.Store
	newUUID func() string
	config  map[string]any // connect.ca_config
	logger  hclog.Logger
}

// NewAuthority makes the duty. newUUID makes the cluster's ID.
func NewAuthority(log Log, store *state.Store, config map[string]any, newUUID func() string, logger hclog.Logger) *Authority {
	return &Authority{proposer{log}, store, newUUID, config, logger}
}

// Run begins an authority when there is none: at first, and after a snapshot
// without one was restored.
func (a *Authority) Run(ctx context.Context) {
	for ctx.Err() == nil {
		a.look(ctx)
	}
}

// look begins an authority unless there is one, and waits for a change.
func (a *Authority) look(ctx context.Context) {
	watch := a.store.Watch(state.TopicCA)
	defer watch.Close()
	var again <-chan time.Time
	if root, _ := a.store.Current().ActiveCA(); root == nil {
		if err := a.begin(ctx); err != nil && ctx.Err() == nil {
			a.logger.Error("could not begin a certificate authority, trying again", "error", err)
			again = time.After(caRetry)
		}
	}
	select {
	case <-watch.Done():
	case <-again:
	case <-ctx.Done():
	}
}

func (a *Authority) begin(ctx context.Context) error {
	c, err := a.command(time.Now())
	if err != nil {
		return err
	}
	if err := a.propose(ctx, model.CmdCA, c); err != nil {
		return err
	}
	a.logger.Info("the cluster has a certificate authority", "trust_domain", c.Config.TrustDomain(), "root", c.Root.ID)
	return nil
}

// command describes a new authority in the words of the state.
func (a *Authority) command(now time.Time) (*model.CACommand, error) {
	settings := map[string]any{"LeafCertTTL": "72h", "IntermediateCertTTL": "8760h", "RootCertTTL": "87600h"}
	for k, v := range a.config {
		settings[k] = v
	}
	config := &model.CAConfig{ClusterID: a.newUUID(), Provider: model.CABuiltin, Config: settings}
	const serial = 1
	root, err := authority.NewRoot(config.TrustDomain(), serial, now)
	if err != nil {
		return nil, err
	}
	cert, err := keypair.ParseCertificate(root.Cert)
	if err != nil {
		return nil, err
	}
	id := authority.Fingerprint(cert)
	return &model.CACommand{
		Op: model.CAInit, Config: config,
		Provider: &model.CAProvider{ID: id, PrivateKey: root.Key, RootCert: root.Cert},
		Root: &model.CARoot{
			ID: id, Name: "Consul CA Root Cert", SerialNumber: serial, SigningKeyID: authority.KeyID(cert),
			ExternalTrustDomain: config.ClusterID, NotBefore: model.Time{Time: cert.NotBefore}, NotAfter: model.Time{Time: cert.NotAfter},
			RootCert: root.Cert, Active: true, PrivateKeyType: "ec", PrivateKeyBits: 256,
		},
	}, nil
}
