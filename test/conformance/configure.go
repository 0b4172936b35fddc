package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// configure writes the configuration files of an agent. index is its place in
// the scenario, servers how many elect a leader together.
func (w *world) configure(a *agent, servers, index int) error {
	cfg := map[string]any{
		"node_name": a.Name,
		"log_level": "debug",
		"ui_config": map[string]any{"enabled": w.sc.has("ui")},
		"ports":     w.portConfig(a),
	}
	if a.DC != "dc1" {
		cfg["datacenter"] = a.DC
	}
	if a.Dev {
		a.args = []string{"-dev"}
		w.configureDev(cfg, a)
	} else {
		w.configureDurable(cfg, a, servers, index)
	}
	if w.sc.has("acl") {
		w.configureACL(cfg)
	}
	data, err := json.MarshalIndent(cfg, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(a.dir, "conf", "00-base.json"), data, 0o644); err != nil {
		return err
	}
	return w.writeExtraConfig(a)
}

func (w *world) portConfig(a *agent) map[string]any {
	ports := map[string]any{}
	for name, p := range a.Ports {
		ports[name] = p
	}
	for _, name := range []string{"grpc", "https"} {
		if !w.sc.has(name) {
			ports[name] = -1
		}
	}
	return ports
}

func (w *world) configureDev(cfg map[string]any, a *agent) {
	if !w.wanJoin() {
		return
	}
	cfg["primary_datacenter"] = "dc1"
	if a.DC != "dc1" {
		cfg["retry_join_wan"] = []string{"127.0.0.1:" + w.vars["s1.serf_wan"]}
		cfg["retry_interval_wan"] = "200ms"
	}
}

func (w *world) configureDurable(cfg map[string]any, a *agent, servers, index int) {
	cfg["bind_addr"] = "127.0.0.1"
	cfg["data_dir"] = filepath.Join(a.dir, "data")
	cfg["disable_update_check"] = true
	cfg["performance"] = map[string]any{"raft_multiplier": 1, "leave_drain_time": "200ms"}
	cfg["gossip_lan"] = map[string]any{"probe_interval": "200ms", "probe_timeout": "100ms",
		"gossip_interval": "50ms", "suspicion_mult": 2}
	if a.Server {
		cfg["server"] = true
		if w.sc.has("cluster") || w.sc.has("server") {
			cfg["bootstrap_expect"] = servers
		}
	}
	if _, args := w.sc.header("cluster"); args != nil && index > 0 && !slices.Contains(args, "no-join") {
		cfg["retry_join"] = []string{"127.0.0.1:" + w.vars["s1.serf_lan"]}
		cfg["retry_interval"] = "200ms"
	}
}

func (w *world) configureACL(cfg map[string]any) {
	cfg["primary_datacenter"] = "dc1"
	_, args := w.sc.header("acl")
	policy := "deny"
	if len(args) > 0 {
		policy = args[0]
	}
	tokens := map[string]any{"master": rootToken}
	if !slices.Contains(args, "no-agent-token") {
		tokens["agent"] = rootToken
	}
	cfg["acl"] = map[string]any{"enabled": true, "default_policy": policy, "tokens": tokens}
	w.token = rootToken
}

// writeExtraConfig writes what stands below @hcl and @json for this agent.
func (w *world) writeExtraConfig(a *agent) error {
	n := 0
	for _, h := range w.sc.Headers {
		f := strings.Fields(h.Text)
		if len(f) == 0 || (f[0] != "hcl" && f[0] != "json") || (len(f) > 1 && !slices.Contains(f[1:], a.Name)) {
			continue
		}
		n++
		name := fmt.Sprintf("%d0-extra.%s", n, f[0])
		if err := w.write(filepath.Join(a.dir, "conf", name), h.Body); err != nil {
			return err
		}
	}
	return nil
}

// writeFiles writes what stands below @file.
func (w *world) writeFiles() error {
	for _, h := range w.sc.Headers {
		f := strings.Fields(h.Text)
		if len(f) != 2 || f[0] != "file" {
			continue
		}
		path, err := w.expand(f[1])
		if err != nil {
			return err
		}
		if err := w.write(w.path(path), h.Body); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) write(path string, lines []string) error {
	text, err := w.expand(strings.Join(lines, "\n") + "\n")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
