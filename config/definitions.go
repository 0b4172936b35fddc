package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"muster/model"
)

// definitions reads the services, checks and watches.
func (b *builder) definitions(c *Config) {
	for i, rec := range get[[]map[string]any](b.values, "services") {
		s := &model.ServiceDefinition{}
		if w, ok := rec["Weights"].(map[string]any); ok { // each of the two may be left out
			for _, name := range []string{"Passing", "Warning"} {
				if _, set := w[name]; !set {
					w[name] = 1
				}
			}
		}
		if b.convert(fmt.Sprintf("services[%d]", i), rec, s) {
			c.Services = append(c.Services, s)
			b.service(s)
		}
	}
	for i, rec := range get[[]map[string]any](b.values, "checks") {
		d := &model.CheckDefinition{}
		if b.convert(fmt.Sprintf("checks[%d]", i), rec, d) {
			c.Checks = append(c.Checks, d)
			b.deprecatedScript(d.ID, d.Name, d)
		}
	}
	for i, rec := range get[[]map[string]any](b.values, "watches") {
		w, err := newWatch(rec)
		if err != nil {
			b.values.fail("watches[%d]: %w", i, err)
			continue
		}
		c.Watches = append(c.Watches, w)
	}
}

// convert puts a decoded definition into its type. The decoder has checked all
// values already; the names are those of the type.
func (b *builder) convert(path string, rec map[string]any, to any) bool {
	text, err := json.Marshal(rec)
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		err = d.Decode(to)
	}
	if err != nil {
		b.values.fail("%s: %w", path, err)
	}
	return err == nil
}

func (b *builder) service(s *model.ServiceDefinition) {
	if err := model.ValidateMeta(s.Meta, s.Kind != model.KindTypical); err != nil {
		b.values.fail("invalid meta for service %s: %w", s.Name, err)
	}
	if err := s.Weights.Validate(); err != nil {
		b.values.fail("Invalid weight definition for service %s: %w", s.Name, err)
	}
	if s.Connect != nil && s.Connect.SidecarService != nil {
		side := s.Connect.SidecarService
		if side.ID != "" {
			b.values.fail("sidecar_service can't specify an ID")
		}
		if side.Connect != nil && side.Connect.SidecarService != nil {
			b.values.fail("sidecar_service can't have a nested sidecar_service")
		}
	}
	id := s.ID
	if id == "" {
		id = s.Name
	}
	for _, d := range s.AllChecks() {
		b.deprecatedScript(d.ID, "service:"+id, d)
	}
}

func (b *builder) deprecatedScript(id, other string, d *model.CheckDefinition) {
	if d.Script == "" {
		return
	}
	if id == "" {
		id = other
	}
	b.warnings = append(b.warnings, fmt.Sprintf(
		"check %q has the 'script' field, which has been deprecated and replaced with the 'args' field.", id))
}

// newWatch takes apart what belongs to the handler and what to the query.
func newWatch(rec map[string]any) (Watch, error) {
	w := Watch{Params: map[string]any{}, HandlerType: "script"}
	for _, key := range sortedKeys(rec) {
		var err error
		v := rec[key]
		key = strings.ToLower(key)
		switch key {
		case "handler_type":
			w.HandlerType, err = toString(key, v)
		case "handler":
			w.Handler, err = toString(key, v)
		case "args":
			w.Args, err = toStrings(key, v)
		case "http_handler_config":
			w.HTTP, err = newWatchHTTP(v)
		default:
			w.Params[key] = v
		}
		if err != nil {
			return w, err
		}
	}
	switch w.HandlerType {
	case "script":
		if w.Handler != "" && len(w.Args) > 0 {
			return w, fmt.Errorf("Only one watch handler allowed")
		}
		if w.Handler == "" && len(w.Args) == 0 {
			return w, fmt.Errorf("Must define a watch handler")
		}
	case "http":
		if w.HTTP == nil {
			return w, fmt.Errorf("Handler type 'http' requires 'http_handler_config' to be set")
		}
	default:
		return w, fmt.Errorf("Handler type '%s' not recognized", w.HandlerType)
	}
	if t, _ := w.Params["type"].(string); t == "" {
		return w, fmt.Errorf("Watch type must be specified")
	}
	return w, nil
}

// watchTimeout is the time of a watch's request when none is said.
const watchTimeout = 10 * time.Second

func newWatchHTTP(v any) (*WatchHTTP, error) {
	rec, err := single("http_handler_config", v)
	if err != nil {
		return nil, err
	}
	h := &WatchHTTP{Method: "POST", Timeout: watchTimeout}
	for _, key := range sortedKeys(rec) {
		var err error
		switch strings.ToLower(key) {
		case "path":
			h.Path, err = toString(key, rec[key])
		case "method":
			h.Method, err = toString(key, rec[key])
		case "timeout":
			var s string
			if s, err = toString(key, rec[key]); err == nil {
				h.Timeout, err = toDuration(key, s)
			}
		case "header":
			h.Header, err = toMap(key, rec[key], toStrings)
		case "tls_skip_verify":
			h.TLSSkipVerify, err = toBool(key, rec[key])
		default:
			err = fmt.Errorf("invalid config key http_handler_config.%s", key)
		}
		if err != nil {
			return nil, err
		}
	}
	if h.Path == "" {
		return nil, fmt.Errorf("Requires 'path' to be set")
	}
	return h, nil
}
