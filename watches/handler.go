package watches

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api/watch"

	"muster/config"
	"muster/internal/process"
)

// maxOutput bounds in bytes what is kept of a program's output, or of the
// answer to a request.
const maxOutput = 4 << 10

// A handler is told of every result. It returns what it had to say. Its String
// is for the log.
type handler interface {
	fmt.Stringer
	handle(ctx context.Context, index watch.BlockingParamVal, body []byte) (output string, err error)
}

func newHandler(w *config.Watch) (handler, error) {
	switch {
	case w.HandlerType == "http" && w.HTTP != nil:
		return newRequest(w.HTTP)
	case w.Handler != "":
		shell := os.Getenv("SHELL")
		if shell == "" {
			shell = "/bin/sh"
		}
		return &program{name: w.Handler, args: []string{shell, "-c", w.Handler}}, nil
	case len(w.Args) > 0:
		return &program{name: strings.Join(w.Args, " "), args: w.Args}, nil
	}
	return nil, errors.New("Must define a watch handler")
}

// program runs with the result on its standard input.
type program struct {
	name string
	args []string
}

func (p *program) String() string { return p.name }

func (p *program) handle(ctx context.Context, index watch.BlockingParamVal, body []byte) (string, error) {
	output := &process.Tail{Max: maxOutput}
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(body), output, output
	if name, value := position(index); name != "" {
		cmd.Env = append(os.Environ(), "CONSUL_"+strings.ToUpper(name)+"="+value)
	}
	err := process.Run(ctx, cmd, closeGrace)
	return strings.TrimSpace(output.Report()), err
}

// position is where in the history a result stands: an index, or the hash of
// what belongs to this agent alone.
func position(at watch.BlockingParamVal) (name, value string) {
	switch at := at.(type) {
	case watch.WaitIndexVal:
		return "Index", strconv.FormatUint(uint64(at), 10)
	case watch.WaitHashVal:
		return "Hash", string(at)
	}
	return "", ""
}

// request is made with the result as its body.
type request struct {
	url     *url.URL
	method  string
	header  http.Header
	timeout time.Duration
	client  *http.Client
}

func newRequest(c *config.WatchHTTP) (*request, error) {
	fail := func(field string, err any) (*request, error) {
		return nil, fmt.Errorf("Failed to parse 'http_handler_config': %s: %v", field, err)
	}
	u, err := url.Parse(c.Path)
	switch {
	case err != nil:
		return fail("path", err)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return fail("path", fmt.Sprintf("%q is not an HTTP URL", u.Redacted()))
	case c.Timeout <= 0:
		return fail("timeout", "must be more than 0")
	}
	if _, err := http.NewRequest(c.Method, c.Path, nil); err != nil {
		return fail("method", err)
	}
	r := &request{url: u, method: c.Method, header: http.Header{}, timeout: c.Timeout}
	for name, values := range c.Header {
		for _, v := range values {
			r.header.Add(name, v)
		}
	}
	if r.header.Get("Content-Type") == "" {
		r.header.Set("Content-Type", "application/json")
	}
	r.client = &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: c.Timeout,
		// Changes are rare: a connection is not worth keeping.
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: c.TLSSkipVerify},
	}}
	return r, nil
}

func (r *request) String() string { return r.method + " " + r.url.Redacted() }

func (r *request) handle(ctx context.Context, index watch.BlockingParamVal, body []byte) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, r.url.String(), bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header = r.header.Clone()
	req.Host = r.header.Get("Host") // "" is that of the URL
	if name, value := position(index); name != "" {
		req.Header.Set("X-Consul-"+name, value)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	output, err := io.ReadAll(io.LimitReader(resp.Body, maxOutput))
	if err == nil && (resp.StatusCode < 200 || resp.StatusCode > 299) {
		err = fmt.Errorf("answered %s", resp.Status)
	}
	return strings.TrimSpace(string(output)), err
}
