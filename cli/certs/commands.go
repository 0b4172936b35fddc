package certs

import (
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"muster/cli/command"
)

const (
	certMode fs.FileMode = 0o644
	keyMode  fs.FileMode = 0o600
)

// CreateAuthority is the command "tls ca create".
type CreateAuthority struct {
	options authorityOptions
}

// Doc describes the command.
func (a *CreateAuthority) Doc() command.Doc {
	return command.Doc{
		Usage:    "tls ca create [options]",
		Synopsis: "Make a certificate authority",
		Text: `
Makes a certificate authority for a cluster: its certificate, which every
agent has to know, and its key, which has to be kept secret.

    $ muster tls ca create
    ==> Saved consul-agent-ca.pem
    ==> Saved consul-agent-ca-key.pem`,
	}
}

// Flags declares the flags.
func (a *CreateAuthority) Flags(f *flag.FlagSet) {
	o := &a.options
	command.StringsVar(f, &o.permitted, "additional-name-constraint", "A further `domain` that -name-constraint allows. "+
		"It may be given several times.")
	f.StringVar(&o.clusterID, "cluster-id", "", "An `id` of the cluster, for a SPIFFE name in the certificate.")
	f.StringVar(&o.commonName, "common-name", "", "The common `name` of the authority.")
	f.IntVar(&o.days, "days", 1825, "The `number` of days that the certificate is valid.")
	f.StringVar(&o.domain, "domain", "consul", "The `domain` of the cluster, as in the option \"domain\" of the agents.")
	f.BoolVar(&o.constrained, "name-constraint", false, "Let the authority sign only names under the domain, and localhost.")
}

// Run makes the files.
func (a *CreateAuthority) Run(c *command.Call) int {
	o := &a.options
	switch {
	case len(c.Args) > 0:
		return c.Usage("Too many arguments (expected 0, got %d)", len(c.Args))
	case o.days <= 0:
		return c.Fail("-days must be positive")
	case len(o.permitted) > 0 && !o.constrained:
		return c.Fail("-additional-name-constraint needs -name-constraint")
	}
	certFile, keyFile := o.domain+"-agent-ca.pem", o.domain+"-agent-ca-key.pem"
	for _, name := range []string{certFile, keyFile} {
		if exists(name) {
			return c.Fail("%s already exists.", name)
		}
	}
	made, err := newAuthority(*o, time.Now())
	if err != nil {
		return c.Fail("Error making the authority: %s", err)
	}
	return save(c, made, certFile, keyFile)
}

// CreateCert is the command "tls cert create".
type CreateCert struct {
	ca, key, dc, domain, node string
	server, client, cli       bool
	days                      int
	names, addresses          []string
}

// Doc describes the command.
func (a *CreateCert) Doc() command.Doc {
	return command.Doc{
		Usage:    "tls cert create [options]",
		Synopsis: "Make a certificate",
		Text: `
Makes a certificate for a server, for a client or for the command line, and
signs it with the authority in the working directory.

    $ muster tls cert create -server
    ==> Using consul-agent-ca.pem and consul-agent-ca-key.pem
    ==> Saved dc1-server-consul-0.pem
    ==> Saved dc1-server-consul-0-key.pem

Every server should have one of its own; the number in the names goes up.`,
	}
}

// Flags declares the flags.
func (a *CreateCert) Flags(f *flag.FlagSet) {
	command.StringsVar(f, &a.names, "additional-dnsname", "A further DNS `name` of the holder. It may be given several times.")
	command.StringsVar(f, &a.addresses, "additional-ipaddress", "A further IP `address` of the holder. It may be given several times.")
	f.StringVar(&a.ca, "ca", "#DOMAIN#-agent-ca.pem", "The `file` with the certificate of the authority.")
	f.BoolVar(&a.cli, "cli", false, "Make a certificate for the command line.")
	f.BoolVar(&a.client, "client", false, "Make a certificate for a client.")
	f.IntVar(&a.days, "days", 365, "The `number` of days that the certificate is valid.")
	f.StringVar(&a.dc, "dc", "dc1", "The `name` of the datacenter.")
	f.StringVar(&a.domain, "domain", "consul", "The `domain` of the cluster.")
	f.StringVar(&a.key, "key", "#DOMAIN#-agent-ca-key.pem", "The `file` with the key of the authority.")
	f.StringVar(&a.node, "node", "", "The `name` of the node, for a further name of a server.")
	f.BoolVar(&a.server, "server", false, "Make a certificate for a server. Whoever has it can act as one.")
}

// Run makes the files.
func (a *CreateCert) Run(c *command.Call) int {
	kind, problem := a.kind()
	switch {
	case problem != "":
		return c.Usage("%s", problem)
	case len(c.Args) > 0:
		return c.Usage("Too many arguments (expected 0, got %d)", len(c.Args))
	case a.node != "" && !a.server:
		return c.Fail("-node requires -server")
	case a.days <= 0:
		return c.Fail("-days must be positive")
	}
	options, err := a.options(kind)
	if err != nil {
		return c.Fail("%s", err)
	}
	caFile := strings.Replace(a.ca, "#DOMAIN#", a.domain, 1)
	keyFile := strings.Replace(a.key, "#DOMAIN#", a.domain, 1)
	cert, err := os.ReadFile(caFile)
	if err != nil {
		return c.Fail("Error reading CA: %s", err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return c.Fail("Error reading CA key: %s", err)
	}
	if kind == "server" {
		c.Println("==> WARNING: whoever holds the key of a server certificate can act as a\n" +
			"    server, with access to everything in the cluster. Keep it on the\n" +
			"    server that it is for, as safe as the key of the authority.")
	}
	c.Printf("==> Using %s and %s", caFile, keyFile)
	made, err := newCert(pair{string(cert), string(key)}, *options, time.Now())
	if err != nil {
		return c.Fail("Error making the certificate: %s", err)
	}
	base := a.freeName(kind)
	return save(c, made, base+".pem", base+"-key.pem")
}

func (a *CreateCert) kind() (kind, problem string) {
	for name, asked := range map[string]bool{"server": a.server, "client": a.client, "cli": a.cli} {
		if asked && kind != "" {
			return "", "Please provide either -server, -client, or -cli"
		}
		if asked {
			kind = name
		}
	}
	if kind == "" {
		return "", "Please provide either -server, -client, or -cli"
	}
	return kind, ""
}

// options are what the certificate of such a holder says. Agents connect to
// each other, so theirs are for both sides; the command line only asks.
func (a *CreateCert) options(kind string) (*certOptions, error) {
	name := kind + "." + a.dc + "." + a.domain
	o := &certOptions{commonName: name, days: a.days, names: append([]string{}, a.names...)}
	if a.node != "" {
		o.names = append(o.names, a.node+".server."+a.dc+"."+a.domain)
	}
	o.names = append(o.names, name, "localhost")
	for _, text := range a.addresses {
		address := net.ParseIP(strings.TrimSpace(text))
		if address == nil {
			return nil, fmt.Errorf("invalid IP address: %s", text)
		}
		o.addresses = append(o.addresses, address)
	}
	switch kind {
	case "server":
		o.usage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		o.addresses = append(o.addresses, net.IPv4(127, 0, 0, 1))
	case "client":
		o.usage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
		o.addresses = append(o.addresses, net.IPv4(127, 0, 0, 1))
	case "cli":
		o.usage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	return o, nil
}

// freeName is the beginning of file names that are not taken.
func (a *CreateCert) freeName(kind string) string {
	for n := 0; ; n++ {
		base := fmt.Sprintf("%s-%s-%s-%d", a.dc, kind, a.domain, n)
		if !exists(base+".pem") && !exists(base+"-key.pem") {
			return base
		}
	}
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

func save(c *command.Call, made *pair, certFile, keyFile string) int {
	for _, f := range []struct {
		name string
		data string
		mode fs.FileMode
	}{{certFile, made.cert, certMode}, {keyFile, made.key, keyMode}} {
		if err := create(f.name, f.data, f.mode); err != nil {
			return c.Fail("Error writing file: %s", err)
		}
		c.Printf("==> Saved %s", f.name)
	}
	return 0
}

// create writes a file that must not exist yet.
func create(name, data string, mode fs.FileMode) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = file.WriteString(data)
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	return err
}
