package command

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/consul/api"
)

// connection holds the shared flags. What is not given on the command line is
// taken from the environment by the client library.
type connection struct {
	address, token, tokenFile  string
	caFile, caPath             string
	certFile, keyFile, tlsName string
	datacenter                 string
	stale                      bool
}

// flags declares the shared flags of the groups.
func (n *connection) flags(f *flag.FlagSet, groups Groups) {
	if groups&HTTP != 0 {
		f.StringVar(&n.address, "http-addr", "", "The `address` and port of the agent to ask: host:port, or a URL "+
			"that begins with http://, https:// or unix://. Also CONSUL_HTTP_ADDR. The default is 127.0.0.1:8500.")
		f.StringVar(&n.token, "token", "", "The ACL `token` to ask with. Also CONSUL_HTTP_TOKEN. "+
			"Without one the agent uses its own default token.")
		f.StringVar(&n.tokenFile, "token-file", "", "A `file` that holds the ACL token; it wins over -token. "+
			"Also CONSUL_HTTP_TOKEN_FILE.")
		f.StringVar(&n.caFile, "ca-file", "", "A `file` with the certificates of the authorities to trust for HTTPS. "+
			"Also CONSUL_CACERT.")
		f.StringVar(&n.caPath, "ca-path", "", "A `directory` of such files. Also CONSUL_CAPATH.")
		f.StringVar(&n.certFile, "client-cert", "", "A `file` with the client certificate, where the agent verifies "+
			"incoming connections. Also CONSUL_CLIENT_CERT.")
		f.StringVar(&n.keyFile, "client-key", "", "A `file` with the key of the client certificate. "+
			"Also CONSUL_CLIENT_KEY.")
		f.StringVar(&n.tlsName, "tls-server-name", "", "The `name` to expect in the agent's certificate. "+
			"Also CONSUL_TLS_SERVER_NAME.")
	}
	if groups&Server != 0 {
		f.StringVar(&n.datacenter, "datacenter", "", "The `name` of the datacenter to ask. "+
			"The default is that of the agent.")
		f.BoolVar(&n.stale, "stale", false, "Let any server answer, even one that lags behind the leader.")
	}
}

// tenancy tells of a namespace or partition that the environment asks for: the
// client library would send it along, and every answer would be a refusal.
func tenancy() error {
	for _, name := range []string{"CONSUL_NAMESPACE", "CONSUL_PARTITION"} {
		if v := os.Getenv(name); v != "" && !strings.EqualFold(v, "default") {
			what := strings.ToLower(strings.TrimPrefix(name, "CONSUL_")) + "s"
			return fmt.Errorf("%s is %q: %s are a Consul Enterprise feature that %s does not have; unset it, or set it to default", name, v, what, Program)
		}
	}
	return nil
}

func (n *connection) config() *api.Config {
	conf := api.DefaultConfig()
	// The library asks "localhost", which may also be ::1, where no agent listens.
	if os.Getenv(api.HTTPAddrEnvName) == "" {
		conf.Address = "127.0.0.1:8500"
	}
	override(&conf.Address, n.address)
	override(&conf.Token, n.token)
	override(&conf.TokenFile, n.tokenFile)
	override(&conf.TLSConfig.CAFile, n.caFile)
	override(&conf.TLSConfig.CAPath, n.caPath)
	override(&conf.TLSConfig.CertFile, n.certFile)
	override(&conf.TLSConfig.KeyFile, n.keyFile)
	override(&conf.TLSConfig.Address, n.tlsName)
	override(&conf.Datacenter, n.datacenter)
	return conf
}

func override(to *string, flag string) {
	if flag != "" {
		*to = flag
	}
}

// ErrorText is the error as it is shown. The client library trims the bodies
// of answers; a list of errors ends with an empty line, which is put back.
func ErrorText(err error) string {
	var status api.StatusError
	if !errors.As(err, &status) || !isErrorList(status.Body) {
		return err.Error()
	}
	full := status
	full.Body += "\n\n"
	return strings.Replace(err.Error(), status.Error(), full.Error(), 1)
}

// isErrorList recognises "2 errors occurred:\n\t* one\n\t* two".
func isErrorList(body string) bool {
	head, _, ok := strings.Cut(body, ":\n\t* ")
	if !ok {
		return false
	}
	count, what, _ := strings.Cut(head, " ")
	return strings.Trim(count, "0123456789") == "" && (what == "error occurred" || what == "errors occurred")
}

// Self asks the agent for the names of its node and its datacenter.
func Self(client *api.Client) (node, datacenter string, err error) {
	self, err := client.Agent().Self()
	if err != nil {
		return "", "", err
	}
	node, _ = self["Config"]["NodeName"].(string)
	datacenter, _ = self["Config"]["Datacenter"].(string)
	if node == "" || datacenter == "" {
		return "", "", errors.New("the answer does not name a node and its datacenter")
	}
	return node, datacenter, nil
}
