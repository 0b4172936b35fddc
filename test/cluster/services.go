package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// services is how many an agent has at most.
const services = 3

func serviceID(n int) string { return fmt.Sprint("web", n) }

// A Registrar registers services at one agent, changes them, takes them away
// and tells their health, and remembers what the agent has acknowledged.
type Registrar struct {
	at   *Agent
	rand *rand.Rand
	made int
	// machine is the one of which want tells.
	machine int
	// want is what the agent must have, by service ID. A service whose last
	// change has an unknown outcome is not there.
	want map[string]service
	// doubt has the services of which a change may still be under way: an agent that
	// stands still has the request, and gets to it when it goes on, perhaps after one
	// that was sent later. Whatever is answered to a request that is sent after that
	// counts again.
	doubt map[string]bool
}

// A service is what an agent has acknowledged last: that it has none, or one
// with a definition ("" is none), and its health ("" is unknown).
type service struct{ definition, status string }

// NewRegistrar makes one for an agent.
func NewRegistrar(c *Cluster, at *Agent, id int) *Registrar {
	r := &Registrar{at: at, rand: rand.New(rand.NewPCG(c.seed, uint64(300+id))), want: map[string]service{}, doubt: map[string]bool{}}
	r.forget()
	return r
}

// forget says that the agent has acknowledged nothing yet.
func (r *Registrar) forget() {
	r.machine = r.at.Machine()
	clear(r.doubt)
	for i := range services {
		r.want[serviceID(i)] = service{}
	}
}

// Run works until ctx ends.
func (r *Registrar) Run(ctx context.Context) {
	for ctx.Err() == nil {
		r.step(ctx)
		time.Sleep(time.Duration(r.rand.Int64N(int64(2 * time.Second))))
	}
}

var statuses = []string{"passing", "warning", "critical"}

func (r *Registrar) step(ctx context.Context) {
	id := serviceID(r.rand.IntN(services))
	if r.machine != r.at.Machine() {
		r.forget()
	}
	// An answer may come from the old machine although there is a new one now.
	defer func() {
		if r.machine != r.at.Machine() {
			r.forget()
			delete(r.want, id)
		}
	}()
	was, known := r.want[id]
	delete(r.want, id)
	switch r.rand.IntN(4) {
	case 0:
		a := ask(ctx, r.at, "PUT", "/v1/agent/service/deregister/"+id, "")
		// It may not have been there, which is an answer, too.
		if a != nil && (a.Status == http.StatusOK || a.Status == http.StatusNotFound) {
			r.acknowledged(id, service{})
		}
		r.doubt[id] = r.doubt[id] || a == nil
	case 1:
		status := statuses[r.rand.IntN(len(statuses))]
		a := ask(ctx, r.at, "PUT", "/v1/agent/check/update/service:"+id, fmt.Sprintf(`{"Status": %q}`, status))
		r.doubt[id] = r.doubt[id] || a == nil
		if a == nil || !known {
			return
		}
		if a.Status == http.StatusOK {
			was.status = status
		}
		r.want[id] = was
	default:
		r.made++
		status := "" // a new check that was never updated is critical after a restart
		if known && was.definition != "" {
			status = was.status // one that is there keeps its health
		}
		a := ask(ctx, r.at, "PUT", "/v1/agent/service/register", fmt.Sprintf(
			`{"Name": "web", "ID": %q, "Port": %d, "Tags": ["t%d"], "Check": {"TTL": "1h", "Status": "passing"}}`, id, 1000+r.made, r.made))
		if a != nil && a.Status == http.StatusOK {
			r.acknowledged(id, service{fmt.Sprintf("%d/t%d", 1000+r.made, r.made), status})
		}
		r.doubt[id] = r.doubt[id] || a == nil
	}
}

// acknowledged notes what a service is from now on.
func (r *Registrar) acknowledged(id string, now service) {
	if !r.doubt[id] {
		r.want[id] = now
	}
	r.doubt[id] = false
}

type entry struct {
	ID   string
	Port int
	Tags []string
}

type health struct {
	CheckID, ServiceID, Status string
}

// own is what an agent says it has: service ID to "port/tags status".
func own(ctx context.Context, at *Agent) (map[string]string, error) {
	var entries map[string]entry
	var checks map[string]health
	if err := read(ctx, at, "/v1/agent/services", &entries); err != nil {
		return nil, err
	}
	if err := read(ctx, at, "/v1/agent/checks", &checks); err != nil {
		return nil, err
	}
	return picture(slices.Collect(maps.Values(entries)), slices.Collect(maps.Values(checks))), nil
}

// catalogOf is what the catalog says a node has.
func catalogOf(ctx context.Context, at *Agent, node string) (map[string]string, error) {
	var list struct{ Services []entry }
	var checks []health
	if err := read(ctx, at, "/v1/catalog/node-services/"+node, &list); err != nil {
		return nil, err
	}
	if err := read(ctx, at, "/v1/health/node/"+node, &checks); err != nil {
		return nil, err
	}
	return picture(list.Services, checks), nil
}

func picture(entries []entry, checks []health) map[string]string {
	out := map[string]string{}
	for _, e := range entries {
		if e.ID != "consul" {
			out[e.ID] = fmt.Sprintf("%d/%s", e.Port, strings.Join(e.Tags, ","))
		}
	}
	for _, c := range checks {
		switch {
		case c.CheckID == "serfHealth":
			out[c.CheckID] = c.Status
		case c.ServiceID != "consul":
			out[c.ServiceID] += " " + c.Status
		}
	}
	return out
}

func read(ctx context.Context, at *Agent, uri string, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := at.Ask(ctx, "GET", uri, "")
	if err != nil {
		return err
	}
	if r.Status != http.StatusOK {
		return fmt.Errorf("%s: GET %s: %d %s", at.Name(), uri, r.Status, r.Body)
	}
	if err := json.Unmarshal(r.Body, out); err != nil {
		return fmt.Errorf("%s: GET %s: %w", at.Name(), uri, err)
	}
	return nil
}

// Compare returns what differs between what an agent has, what it has
// acknowledged, and what the catalog says at another one.
func (r *Registrar) Compare(ctx context.Context, at *Agent) error {
	have, err := own(ctx, r.at)
	if err != nil {
		return err
	}
	for id, want := range r.want {
		definition, status, _ := strings.Cut(have[id], " ")
		if definition != want.definition || want.status != "" && status != want.status {
			return fmt.Errorf("%s has %s as %q and had acknowledged %q", r.at.Name(), id, have[id], want)
		}
	}
	return inStep(ctx, r.at, at, have)
}

// inStep compares what an agent has with what the catalog says at another one.
func inStep(ctx context.Context, agent, at *Agent, have map[string]string) error {
	catalog, err := catalogOf(ctx, at, agent.Name())
	if err != nil {
		return err
	}
	have["serfHealth"] = "passing"
	if !maps.Equal(have, catalog) {
		return fmt.Errorf("%s has %v, the catalog says %v at %s", agent.Name(), have, catalog, at.Name())
	}
	return nil
}
