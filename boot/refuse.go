package boot

import (
	"errors"

	"muster/config"
)

// refuse returns why an agent is not to be started: its configuration asks for
// protection that would not be there. Options that do nothing are warned of;
// who relies on this one must not learn it from a warning.
func refuse(cfg *config.Config) error {
	if cfg.ACL.Enabled {
		return errors.New("acl.enabled: access control lists are not built yet; muster refuses to start rather than run open")
	}
	return nil
}
