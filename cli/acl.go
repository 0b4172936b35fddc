package cli

import (
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"muster/cli/command"
)

type aclBootstrap struct{ format string }

func (a *aclBootstrap) Doc() command.Doc {
	return command.Doc{
		Usage:    "acl bootstrap [options]",
		Synopsis: "Make the first token",
		Text: `
Makes the first token of a cluster that controls access, one that may do
everything. This works once. The SecretID that is printed is the token.

    $ muster acl bootstrap`,
		Groups: command.HTTP,
	}
}

func (a *aclBootstrap) Flags(f *flag.FlagSet) { formatVar(f, &a.format) }

func (a *aclBootstrap) Run(c *command.Call) int {
	if !knownFormat(c, a.format) {
		return command.ExitError
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	token, _, err := client.ACL().Bootstrap()
	if err != nil {
		return c.Fail("Failed ACL bootstrapping: %s", err)
	}
	if a.format == formatJSON {
		return c.JSON(token, "    ")
	}
	var d description
	d.row("AccessorID", token.AccessorID)
	d.row("SecretID", token.SecretID)
	d.row("Description", token.Description)
	d.row("Local", token.Local)
	d.row("Create Time", token.CreateTime)
	d.expiry(token.ExpirationTime)
	d.grants(token.Policies, token.Roles, token.ServiceIdentities, token.NodeIdentities)
	c.Println(strings.TrimRight(d.String(), "\n"))
	return 0
}

type aclTokenList struct {
	format string
	meta   bool
}

func (a *aclTokenList) Doc() command.Doc {
	return command.Doc{
		Usage:    "acl token list [options]",
		Synopsis: "List the tokens",
		Text: `
Lists the tokens of a cluster that controls access, without their secrets.

    $ muster acl token list`,
		Groups: command.HTTP | command.Server,
	}
}

func (a *aclTokenList) Flags(f *flag.FlagSet) {
	formatVar(f, &a.format)
	f.BoolVar(&a.meta, "meta", false, "Print the hash and the Raft indexes, too.")
}

func (a *aclTokenList) Run(c *command.Call) int {
	if !knownFormat(c, a.format) {
		return command.ExitError
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	tokens, _, err := client.ACL().TokenList(c.Query())
	if err != nil {
		return c.Fail("Failed to retrieve the token list: %s", err)
	}
	if a.format == formatJSON {
		return c.JSON(tokens, "    ")
	}
	for i, t := range tokens {
		if i > 0 {
			c.Println()
		}
		c.Println(strings.TrimRight(a.describe(t), "\n"))
	}
	return 0
}

func (a *aclTokenList) describe(t *api.ACLTokenListEntry) string {
	var d description
	d.row("AccessorID", t.AccessorID)
	d.row("Description", t.Description)
	d.row("Local", t.Local)
	d.row("Create Time", t.CreateTime)
	d.expiry(t.ExpirationTime)
	d.row("Legacy", t.Legacy)
	if a.meta {
		d.row("Hash", fmt.Sprintf("%x", t.Hash))
		d.row("Create Index", t.CreateIndex)
		d.row("Modify Index", t.ModifyIndex)
	}
	d.grants(t.Policies, t.Roles, t.ServiceIdentities, t.NodeIdentities)
	return d.String()
}

// A description is a token as people read it.
type description struct{ strings.Builder }

func (d *description) row(name string, value any) {
	fmt.Fprintf(d, "%-17s %v\n", name+":", value)
}

func (d *description) expiry(at *time.Time) {
	if at != nil && !at.IsZero() {
		d.row("Expiration Time", *at)
	}
}

func (d *description) grants(policies, roles []*api.ACLLink, services []*api.ACLServiceIdentity, nodes []*api.ACLNodeIdentity) {
	title := func(text string, n int) {
		if n > 0 {
			fmt.Fprintf(d, "%s:\n", text)
		}
	}
	title("Policies", len(policies))
	for _, p := range policies {
		fmt.Fprintf(d, "   %s - %s\n", p.ID, p.Name)
	}
	title("Roles", len(roles))
	for _, r := range roles {
		fmt.Fprintf(d, "   %s - %s\n", r.ID, r.Name)
	}
	title("Service Identities", len(services))
	for _, s := range services {
		where := "all"
		if len(s.Datacenters) > 0 {
			where = strings.Join(s.Datacenters, ", ")
		}
		fmt.Fprintf(d, "   %s (Datacenters: %s)\n", s.ServiceName, where)
	}
	title("Node Identities", len(nodes))
	for _, n := range nodes {
		fmt.Fprintf(d, "   %s (Datacenter: %s)\n", n.NodeName, n.Datacenter)
	}
}

type aclSetAgentToken struct{ command.NoFlags }

func (a *aclSetAgentToken) Doc() command.Doc {
	return command.Doc{
		Usage:    "acl set-agent-token [options] TYPE TOKEN",
		Synopsis: "Give an agent one of its tokens",
		Text: `
Gives the agent a token: "default", for requests that bring none; "agent", for
what it does itself; "recovery", which is accepted while no server answers;
"replication", for servers that copy tokens from another datacenter;
"config_file_service_registration", for the services in its files; or "dns".

    $ muster acl set-agent-token agent c4d0f8df-3aba-4ab6-a7a0-35b760dc29a1`,
		Groups: command.HTTP,
	}
}

func (a *aclSetAgentToken) Run(c *command.Call) int {
	if len(c.Args) != 2 {
		return c.Usage("This command requires two arguments: the type of the token, and the token")
	}
	client, ok := c.Client()
	if !ok {
		return command.ExitError
	}
	agent := client.Agent()
	set, ok := map[string]func(string, *api.WriteOptions) (*api.WriteMeta, error){
		"default":                          agent.UpdateDefaultACLToken,
		"agent":                            agent.UpdateAgentACLToken,
		"recovery":                         agent.UpdateAgentRecoveryACLToken,
		"master":                           agent.UpdateAgentMasterACLToken, // of old
		"replication":                      agent.UpdateReplicationACLToken,
		"config_file_service_registration": agent.UpdateConfigFileRegistrationToken,
		"dns":                              agent.UpdateDNSToken,
	}[c.Args[0]]
	if !ok {
		return c.Fail("Unknown token type")
	}
	if _, err := set(c.Args[1], nil); err != nil {
		return c.Fail("Failed to set ACL token %q: %s", c.Args[0], err)
	}
	c.Printf("ACL token %q set successfully", c.Args[0])
	return 0
}
