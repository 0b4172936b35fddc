package cli

import (
	"flag"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

type servicesRegister struct {
	address, id, kind, name string
	port                    int
	meta                    map[string]string
	tags                    []string
	tagged                  map[string]string
}

func (s *servicesRegister) Doc() command.Doc {
	return command.Doc{
		Usage:    "services register [options] [FILE...]",
		Synopsis: "Register services with the agent",
		Text: `
Registers services with the agent: those of configuration files, or one that
the flags describe. Checks need a file.

    $ muster services register web.json
    $ muster services register -name=web -port=8080 -tag=v2

The registration stays until it is taken back, over restarts of the agent.`,
		Groups: command.HTTP | command.Server,
	}
}

func (s *servicesRegister) Flags(f *flag.FlagSet) {
	f.StringVar(&s.address, "address", "", "The `address` of the service; otherwise that of the agent's node.")
	f.StringVar(&s.id, "id", "", "The `id` of the service; otherwise its name.")
	f.StringVar(&s.kind, "kind", "", "The `kind` of the service, where it is a proxy or a gateway.")
	command.PairsVar(f, &s.meta, false, "meta", "`Metadata`, as key=value. It may be given several times.")
	f.StringVar(&s.name, "name", "", "The `name` of the service.")
	f.IntVar(&s.port, "port", 0, "The `port` of the service.")
	command.StringsVar(f, &s.tags, "tag", "A `tag` of the service. It may be given several times.")
	command.PairsVar(f, &s.tagged, false, "tagged-address", "A further `address`, as key=address. It may be given several times.")
}

func (s *servicesRegister) Run(c *command.Call) int {
	var services []*definition
	switch {
	case len(c.Args) > 0 && s.name != "":
		return c.Usage("Service registration takes either flags or files, not both.")
	case len(c.Args) > 0:
		var err error
		if services, err = readServices(c.Args); err != nil {
			return c.Fail("Error parsing services: %s", err)
		}
	case s.name != "" || s.id != "":
		services = []*definition{{AgentServiceRegistration: s.fromFlags()}}
	default:
		return c.Usage("Service registration requires at least one argument or flags.")
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	for _, service := range services {
		opts := &api.WriteOptions{Token: service.Token}
		if _, err := client.Raw().Write("/v1/agent/service/register", service, nil, opts); err != nil {
			return c.Fail("Error registering service %q: %s", service.Name, err)
		}
		c.Printf("Registered service: %s", service.Name)
	}
	return 0
}

func (s *servicesRegister) fromFlags() api.AgentServiceRegistration {
	service := api.AgentServiceRegistration{
		Kind: api.ServiceKind(s.kind), ID: s.id, Name: s.name, Address: s.address,
		Port: s.port, Tags: s.tags, Meta: s.meta,
	}
	if len(s.tagged) > 0 {
		service.TaggedAddresses = map[string]api.ServiceAddress{}
		for key, address := range s.tagged {
			// An address with a port is taken apart; one without has the service's.
			if parsed, err := api.ParseServiceAddr(address); err == nil && parsed.Port != 0 {
				service.TaggedAddresses[key] = parsed
			} else {
				service.TaggedAddresses[key] = api.ServiceAddress{Address: address, Port: s.port}
			}
		}
	}
	return service
}

type servicesDeregister struct{ id string }

func (s *servicesDeregister) Doc() command.Doc {
	return command.Doc{
		Usage:    "services deregister [options] [FILE...]",
		Synopsis: "Deregister services from the agent",
		Text: `
Takes the registration of services back: those of configuration files, or one
by its id.

    $ muster services deregister web.json
    $ muster services deregister -id=web`,
		Groups: command.HTTP | command.Server,
	}
}

func (s *servicesDeregister) Flags(f *flag.FlagSet) {
	f.StringVar(&s.id, "id", "", "The `id` of the service.")
}

func (s *servicesDeregister) Run(c *command.Call) int {
	ids := []string{s.id}
	switch {
	case len(c.Args) > 0 && s.id != "":
		return c.Usage("Service deregistration takes either -id or files, not both.")
	case len(c.Args) > 0:
		services, err := readServices(c.Args)
		if err != nil {
			return c.Fail("Error parsing services: %s", err)
		}
		ids = nil
		for _, service := range services {
			ids = append(ids, service.id())
		}
	case s.id == "":
		return c.Usage("Service deregistration requires at least one argument or -id.")
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	for _, id := range ids {
		if err := client.Agent().ServiceDeregister(id); err != nil {
			return c.Fail("Error deregistering service %q: %s", id, err)
		}
		c.Printf("Deregistered service: %s", id)
	}
	return 0
}
