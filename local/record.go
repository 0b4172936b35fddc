package local

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"muster/model"
)

// The folders of what outlives a restart, below the data directory. A file is
// named after the hash of an ID; older releases of the original used MD5, which
// are read as well.
const (
	servicesDir = "services"
	checksDir   = "checks"
	statesDir   = "checks/state"
)

func serviceFile(id string) string { return servicesDir + "/" + hashed(id) }
func checkFile(id string) string   { return checksDir + "/" + hashed(id) }
func stateFile(id string) string   { return statesDir + "/" + hashed(id) }

func hashed(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// serviceRecord is a file in services/.
type serviceRecord struct {
	Token   string
	Service *model.NodeService
	Source  Source
	// LocallyRegisteredAsSidecar: it came with the service that it proxies.
	LocallyRegisteredAsSidecar bool `json:",omitempty"`
}

// checkRecord is a file in checks/. Maintenance checks have no ChkType.
type checkRecord struct {
	Check   *model.HealthCheck
	ChkType *model.CheckDefinition
	Token   string
	Source  Source
}

// stateRecord is a file in checks/state/: what a TTL check says until Expires,
// in seconds since 1970.
type stateRecord struct {
	CheckID string
	Output  string
	Status  string
	Expires int64
}

func encodeService(r *registration) ([]byte, error) {
	return json.Marshal(serviceRecord{Token: r.token, Service: r.ns, Source: r.source, LocallyRegisteredAsSidecar: r.sidecarOf != ""})
}

// decodeService reads a record into a registration without checks.
func decodeService(b []byte) (*registration, error) {
	var rec serviceRecord
	if err := json.Unmarshal(b, &rec); err != nil {
		return nil, err
	}
	ns := rec.Service
	if ns == nil || ns.ID == "" || ns.Service == "" {
		return nil, errors.New("no service in the record")
	}
	if ns.Weights == nil {
		ns.Weights = &model.Weights{Passing: 1, Warning: 1}
	}
	ns.RaftIndex = model.RaftIndex{}
	r := &registration{ns: ns, token: rec.Token, source: SourceAPI}
	if rec.LocallyRegisteredAsSidecar {
		r.sidecarOf = ns.Proxy.DestinationServiceID
	}
	return r, nil
}

func encodeCheck(e *entry) ([]byte, error) {
	return json.Marshal(checkRecord{Check: e.hc, ChkType: e.def, Token: e.token, Source: e.source})
}

// decodeCheck reads a record. Whatever the check said when it was written, it
// begins as critical.
func decodeCheck(b []byte) (*checkRecord, error) {
	var rec checkRecord
	if err := json.Unmarshal(b, &rec); err != nil {
		return nil, err
	}
	c := rec.Check
	if c == nil || c.CheckID == "" {
		return nil, errors.New("no check in the record")
	}
	c.Status, c.Output, c.RaftIndex = model.HealthCritical, "", model.RaftIndex{}
	if d := rec.ChkType; d != nil {
		if d.Kind() == "" {
			return nil, errors.New("the record does not say how to check")
		}
		d.ID, d.CheckID, d.ServiceID = c.CheckID, c.CheckID, c.ServiceID
		if d.Name == "" {
			d.Name = c.Name
		}
		if d.Notes == "" {
			d.Notes = c.Notes
		}
	} else if c.Type != model.CheckMaint && c.CheckID != model.NodeMaintID && c.CheckID != model.ServiceMaintPrefix+c.ServiceID {
		return nil, errors.New("the record does not say how to check")
	}
	return &rec, nil
}

func encodeState(e *entry) ([]byte, error) {
	return json.Marshal(stateRecord{CheckID: e.hc.CheckID, Output: e.hc.Output, Status: e.hc.Status, Expires: e.expires.Unix()})
}

// decodeState reads a record; nil when its time is over.
func decodeState(b []byte, now time.Time) (*stateRecord, error) {
	var rec stateRecord
	if err := json.Unmarshal(b, &rec); err != nil {
		return nil, err
	}
	if rec.CheckID == "" || !model.ValidStatus(rec.Status) {
		return nil, errors.New("no state in the record")
	}
	if now.Unix() >= rec.Expires {
		return nil, nil
	}
	return &rec, nil
}
