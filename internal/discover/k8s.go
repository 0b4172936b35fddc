package discover

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// pods finds agents among the pods of a Kubernetes cluster that this agent runs
// in, by the API that the cluster offers to its pods
// (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/).
type pods struct {
	ctx context.Context
	// service finds the API.
	service func() (*apiServer, error)
}

// apiServer is the API of the cluster.
type apiServer struct {
	url    string
	token  string
	client *http.Client
}

// serviceAccount is where a pod finds who it is.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// inCluster finds the API as every pod does.
func inCluster() (*apiServer, error) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New("this agent does not run in a pod (KUBERNETES_SERVICE_HOST is not set): name the addresses of agents instead")
	}
	return openService("https://"+net.JoinHostPort(host, port), serviceAccount)
}

func openService(url, account string) (*apiServer, error) {
	token, err := os.ReadFile(filepath.Join(account, "token"))
	if err != nil {
		return nil, fmt.Errorf("service account: %w", err)
	}
	ca, err := os.ReadFile(filepath.Join(account, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("service account: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("service account: ca.crt holds no certificate")
	}
	return &apiServer{url: url, token: strings.TrimSpace(string(token)), client: &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}},
	}}, nil
}

// portAnnotation of a pod names a port of it, or is its number.
const portAnnotation = "consul.hashicorp.com/auto-join-port"

// podList is what is read of a list of pods.
type podList struct {
	Metadata struct{ Continue string }
	Items    []pod
}

type pod struct {
	Metadata struct {
		Name        string
		Annotations map[string]string
	}
	Spec struct {
		Containers []struct {
			Ports []struct {
				Name                    string
				ContainerPort, HostPort int
			}
		}
	}
	Status struct {
		Phase         string
		PodIP, HostIP string
		Conditions    []struct{ Type, Status string }
	}
}

// Bounds of an answer of the API.
const (
	podsAtOnce   = 500
	podListBytes = 64 << 20
	maxPods      = 100_000
)

// Addrs implements Provider.
func (p *pods) Addrs(args map[string]string, logger *log.Logger) ([]string, error) {
	onHost := false
	if v := args["host_network"]; v != "" {
		var err error
		if onHost, err = strconv.ParseBool(v); err != nil {
			return nil, fmt.Errorf("host_network must be true or false, was %q", v)
		}
	}
	api, err := p.service()
	if err != nil {
		return nil, err
	}
	namespace := args["namespace"]
	if namespace == "" {
		namespace = "default"
	}
	query := url.Values{"limit": {strconv.Itoa(podsAtOnce)}}
	for _, s := range []struct{ ours, theirs string }{{"label_selector", "labelSelector"}, {"field_selector", "fieldSelector"}} {
		if v := args[s.ours]; v != "" {
			query.Set(s.theirs, v)
		}
	}
	var addresses []string
	for range maxPods / podsAtOnce {
		list, err := api.list(p.ctx, namespace, query)
		if err != nil {
			return nil, err
		}
		for i := range list.Items {
			address, why := list.Items[i].address(onHost)
			if why != "" {
				logger.Printf("[DEBUG] passed over pod %q: %s", list.Items[i].Metadata.Name, why)
				continue
			}
			addresses = append(addresses, address)
		}
		if list.Metadata.Continue == "" {
			return addresses, nil
		}
		query.Set("continue", list.Metadata.Continue)
	}
	return nil, fmt.Errorf("there are more than %d pods: narrow them with label_selector", maxPods)
}

func (a *apiServer) list(ctx context.Context, namespace string, query url.Values) (*podList, error) {
	u := a.url + "/api/v1/namespaces/" + url.PathEscape(namespace) + "/pods?" + query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, podListBytes))
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var said struct{ Message string }
		_ = json.Unmarshal(body, &said) // what cannot be read says nothing
		return nil, fmt.Errorf("list pods: the API of the cluster answers %s: %s", resp.Status, said.Message)
	}
	list := new(podList)
	if err := json.Unmarshal(body, list); err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	return list, nil
}

// address is where an agent in a pod is joined; why says why it is not.
func (p *pod) address(onHost bool) (address, why string) {
	if p.Status.Phase != "Running" {
		return "", "it is not running but " + p.Status.Phase
	}
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" && c.Status != "True" {
			return "", "it is not ready"
		}
	}
	ip := p.Status.PodIP
	if onHost {
		ip = p.Status.HostIP
	}
	if ip == "" {
		return "", "it has no address"
	}
	name := p.Metadata.Annotations[portAnnotation]
	if name == "" {
		return ip, ""
	}
	port := p.port(name, onHost)
	if port == 0 {
		return "", fmt.Sprintf("it offers no port %q", name)
	}
	return net.JoinHostPort(ip, strconv.Itoa(port)), ""
}

// port is the port with a name or number; 0: none. On the host it must be
// offered there.
func (p *pod) port(name string, onHost bool) int {
	number, err := strconv.ParseUint(name, 10, 16)
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name != name && (err != nil || port.ContainerPort != int(number)) {
				continue
			}
			if !onHost {
				return port.ContainerPort
			}
			if port.HostPort != 0 {
				return port.HostPort
			}
		}
	}
	if err == nil && !onHost {
		return int(number)
	}
	return 0
}
