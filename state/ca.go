package state

import "muster/model"

// Names under which the indexes of the authority are kept in snapshots.
const (
	tableCARoots    = "connect-ca-roots"
	tableCABuiltin  = "connect-ca-builtin"
	tableCASerial   = "connect-ca-builtin-serial"
	tableCASettings = "connect-ca-config"
)

// TopicCA is the certificate authority with its roots.
var TopicCA = Topic{kindTable, tableCARoots}

// caTables is the certificate authority.
type caTables struct {
	caRoots     table[*model.CARoot]     // ID
	caProviders table[*model.CAProvider] // ID
	caConfig    table[*model.CAConfig]   // one, at ""
}

func newCATables() caTables {
	return caTables{newTable[*model.CARoot](), newTable[*model.CAProvider](), newTable[*model.CAConfig]()}
}

// CARoots returns the roots of the authority in the order of their IDs.
func (v *Version) CARoots() (uint64, []*model.CARoot) {
	return v.index(tableCARoots), v.caRoots.collect("")
}

// CAConfig is how the authority is configured; nil where there is none.
func (v *Version) CAConfig() *model.CAConfig {
	c, _ := v.caConfig.get("")
	return c
}

// ActiveCA is the root that signs, and what it signs with, which is nil where
// that is not kept here; both are nil where there is no authority.
func (v *Version) ActiveCA() (*model.CARoot, *model.CAProvider) {
	var root *model.CARoot
	v.caRoots.scan("", func(_ string, r *model.CARoot) bool {
		if r.Active {
			root = r
		}
		return root == nil
	})
	if root == nil {
		return nil, nil
	}
	var signer *model.CAProvider
	v.caProviders.scan("", func(_ string, p *model.CAProvider) bool {
		if p.RootCert == root.RootCert && p.PrivateKey != "" {
			signer = p
		}
		return signer == nil
	})
	return root, signer
}

func (tx *txn) applyCA(index uint64, c *model.CACommand) any {
	switch c.Op {
	case model.CAInit:
		return tx.initCA(index, c)
	case model.CASerial:
		serial := tx.index(tableCASerial) + 1
		tx.touch(serial, tableCASerial)
		return serial
	}
	return model.Errorf(model.Internal, "Invalid CA operation %q", c.Op)
}

func (tx *txn) initCA(index uint64, c *model.CACommand) any {
	if c.Config == nil || c.Provider == nil || c.Root == nil || c.Root.ID == "" || !c.Root.Active {
		return model.Errorf(model.Internal, "the authority is not complete")
	}
	if root, _ := tx.ActiveCA(); root != nil {
		return false
	}
	at := model.RaftIndex{CreateIndex: index, ModifyIndex: index}
	c.Config.RaftIndex, c.Provider.RaftIndex, c.Root.RaftIndex = at, at, at
	tx.caConfig.mut(tx.gen).Set("", c.Config)
	tx.caProviders.mut(tx.gen).Set(c.Provider.ID, c.Provider)
	tx.caRoots.mut(tx.gen).Set(c.Root.ID, c.Root)
	tx.touch(max(c.Root.SerialNumber, tx.index(tableCASerial)), tableCASerial)
	tx.touch(index, tableCASettings, tableCABuiltin, tableCARoots)
	tx.fire(TopicCA)
	return true
}

func (v *Version) writeCA(out *recordWriter) {
	v.caRoots.scan("", func(k string, r *model.CARoot) bool { return out.item(model.CmdCA, k, r, r, nil) })
	v.caProviders.scan("", func(k string, p *model.CAProvider) bool { return out.item(model.CmdCAProvider, k, p, p, nil) })
	v.caConfig.scan("", func(k string, c *model.CAConfig) bool { return out.item(model.CmdCAConfig, k, c, c, nil) })
}

func (tx *txn) readCA(t model.CommandType, data []byte) error {
	switch t {
	case model.CmdCA:
		return restore(tx, t, data, func(r *model.CARoot) keptRecord {
			tx.caRoots.mut(tx.gen).Set(r.ID, r)
			tx.raise(tableCARoots, r.ModifyIndex)
			return keptRecord{key: r.ID, of: [2]any{r}}
		})
	case model.CmdCAProvider:
		return restore(tx, t, data, func(p *model.CAProvider) keptRecord {
			tx.caProviders.mut(tx.gen).Set(p.ID, p)
			tx.raise(tableCABuiltin, p.ModifyIndex)
			return keptRecord{key: p.ID, of: [2]any{p}}
		})
	}
	return restore(tx, t, data, func(c *model.CAConfig) keptRecord {
		tx.caConfig.mut(tx.gen).Set("", c)
		tx.raise(tableCASettings, c.ModifyIndex)
		return keptRecord{of: [2]any{c}}
	})
}
