package local

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"muster/model"
)

const (
	sidecarSuffix        = "-sidecar-proxy"
	sidecarCheckInterval = model.Duration(10 * time.Second)
)

// newSidecar makes the registration of the proxy that a definition wants beside
// its service. What it does not say follows from the service. The lock is held:
// a free port is looked for.
func (a *Agent) newSidecar(def *model.ServiceDefinition, main *registration) (*registration, error) {
	bad := func(err error) error {
		return model.Errorf(model.Internal, "Bad request: Invalid SidecarService: %w", err)
	}
	d := *def.Connect.SidecarService
	d.ID = main.ns.ID + sidecarSuffix
	d.Kind = model.KindConnectProxy
	if d.Name == "" {
		d.Name = main.ns.Service + sidecarSuffix
	}
	if d.Token == "" {
		d.Token = def.Token
	}
	if len(d.Tags) == 0 {
		d.Tags = slices.Clone(def.Tags)
	}
	if len(d.Meta) == 0 {
		d.Meta = maps.Clone(def.Meta)
	}
	var proxy model.ProxyConfig
	if d.Proxy != nil {
		proxy = *d.Proxy
	}
	if proxy.DestinationServiceName == "" {
		proxy.DestinationServiceName = main.ns.Service
	}
	if proxy.DestinationServiceID == "" {
		proxy.DestinationServiceID = main.ns.ID
	}
	if proxy.LocalServiceSocketPath == "" {
		if proxy.LocalServiceAddress == "" {
			proxy.LocalServiceAddress = "127.0.0.1"
		}
		if proxy.LocalServicePort == 0 {
			proxy.LocalServicePort = main.ns.Port
		}
	}
	d.Proxy = &proxy
	if d.Port == 0 && d.SocketPath == "" {
		port, err := a.sidecarPort(d.ID)
		if err != nil {
			return nil, err
		}
		d.Port = port
	}
	if len(d.AllChecks()) == 0 {
		d.Checks = sidecarChecks(&d, main.ns.ID)
	}
	if err := d.Validate(); err != nil {
		return nil, bad(err)
	}
	return a.newRegistration(&d, main.source, main.ns.ID)
}

// sidecarChecks are those of a sidecar that names none.
func sidecarChecks(d *model.ServiceDefinition, of string) []*model.CheckDefinition {
	alias := &model.CheckDefinition{Name: "Connect Sidecar Aliasing " + of, AliasService: of}
	if d.Port == 0 {
		return []*model.CheckDefinition{alias}
	}
	address := d.Address
	if address == "" {
		address = "127.0.0.1"
	}
	return []*model.CheckDefinition{{
		Name: "Connect Sidecar Listening", TCP: net.JoinHostPort(address, strconv.Itoa(d.Port)), Interval: sidecarCheckInterval,
	}, alias}
}

// sidecarPort is the port that a sidecar has had so far, or a free one.
func (a *Agent) sidecarPort(id string) (int, error) {
	first, last := a.cfg.SidecarMinPort, a.cfg.SidecarMaxPort
	if first <= 0 || last < first {
		return 0, fmt.Errorf("no port provided for sidecar_service and auto-assignment disabled in config")
	}
	if s := a.services[id]; s != nil && s.ns.Port >= first && s.ns.Port <= last {
		return s.ns.Port, nil
	}
	used := map[int]bool{}
	for _, s := range a.services {
		used[s.ns.Port] = true
	}
	for port := first; port <= last; port++ {
		if !used[port] {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no port provided for sidecar_service and none in the configured range [%d, %d]", first, last)
}
