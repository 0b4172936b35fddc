package watches

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api/watch"

	"muster/config"
)

// params are what each type of watch knows, besides type, datacenter and token.
var params = map[string][]string{
	"key":           {"key", "stale"},
	"keyprefix":     {"prefix", "stale"},
	"services":      {"filter", "stale"},
	"nodes":         {"filter", "stale"},
	"service":       {"filter", "passingonly", "service", "stale", "tag"},
	"checks":        {"filter", "service", "stale", "state"},
	"event":         {"name"},
	"agent_service": {"service_id"},
}

// parse turns the parameters of a watch into a plan. Errors name what is wrong.
func parse(w *config.Watch) (*watch.Plan, error) {
	kind, _ := w.Params["type"].(string)
	known, ok := params[kind]
	switch {
	case strings.HasPrefix(kind, "connect_"):
		return nil, fmt.Errorf("Watch type '%s' is not supported: there is no service mesh", kind)
	case !ok:
		return nil, fmt.Errorf("Unsupported watch type: %s", kind)
	}
	for _, name := range slices.Sorted(maps.Keys(w.Params)) {
		if name != "type" && name != "datacenter" && name != "token" && !slices.Contains(known, name) {
			return nil, fmt.Errorf("Invalid parameter '%s' for a watch of type '%s'", name, kind)
		}
	}
	if id, _ := w.Params["service_id"].(string); id == "" && kind == "agent_service" {
		return nil, errors.New("Must specify a single service_id to watch")
	}
	// Parse takes out of its argument what it knows.
	return watch.Parse(maps.Clone(w.Params))
}
