package boot

import (
	"errors"

	"muster/config"
)

// refuse returns why an agent is not to be started: its configuration asks for
// protection that would not be there. Options that do nothing are warned of;
// who relies on these must not learn it from a warning.
func refuse(cfg *config.Config) error {
	switch {
	case cfg.ACL.Enabled:
		return errors.New("acl.enabled: access control lists are not built yet; muster refuses to start rather than run open")
	case cfg.TLS.AutoEncrypt && !cfg.TLS.InternalRPC.VerifyOutgoing:
		return errors.New("auto_encrypt.tls: servers do not give out certificates yet; muster refuses to start rather than connect without TLS (give it ca_file, cert_file and key_file, and set verify_outgoing)")
	}
	return nil
}
