package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

var methodRE = regexp.MustCompile(`^(GET|PUT|POST|DELETE|HEAD|OPTIONS|PATCH|LIST) (\S+)$`)

// request runs a step that brings an answer. b is its background step, or nil.
func (w *world) request(ctx context.Context, st *step, text string, b *background) *result {
	a := w.agents[0]
	if st.Agent != "" {
		if a = w.byName[st.Agent]; a == nil {
			return failed("no agent %s", st.Agent)
		}
	}
	var res *result
	var err error
	switch m := methodRE.FindStringSubmatch(text); {
	case m != nil:
		res, err = w.http(ctx, st, a, m[1], m[2])
	case strings.HasPrefix(text, "$ "):
		res, err = w.command(ctx, st, a, text[2:], b)
	case strings.HasPrefix(text, "? "):
		res, err = w.query(a, text[2:])
	default:
		err = fmt.Errorf("no such step: %s", text)
	}
	if err != nil {
		return &result{err: err}
	}
	return res
}

var foreignRE = regexp.MustCompile(`\$\[([^\]]*)\]`)

// body is the request body or standard input of a step.
func (w *world) body(st *step) (string, error) {
	if f, ok := st.directive("body-bytes"); ok { // a body of so many bytes
		n, err := strconv.Atoi(f)
		if err != nil {
			return "", err
		}
		return strings.Repeat("x", n), nil
	}
	if f, ok := st.directive("body-file"); ok {
		p, err := w.expand(f)
		if err != nil {
			return "", err
		}
		data, err := os.ReadFile(w.path(p))
		return string(data), err
	}
	body, err := w.expand(strings.Join(st.Body, "\n"))
	// $[x] stands for ${x} in the languages that the program reads itself.
	return foreignRE.ReplaceAllString(body, "$${$1}"), err
}

func (w *world) http(ctx context.Context, st *step, a *agent, method, path string) (*result, error) {
	client, base := w.client, fmt.Sprintf("http://127.0.0.1:%d", a.Ports["http"])
	if opts, ok := st.directive("tls"); ok {
		cfg, err := w.tlsConfig(opts)
		if err != nil {
			return nil, err
		}
		client = &http.Client{Transport: &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}}
		base = fmt.Sprintf("https://127.0.0.1:%d", a.Ports["https"])
	}
	if strings.HasPrefix(path, "http://") { // one of the dummies
		base = ""
	}
	req, err := w.newRequest(ctx, st, method, base+path)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		if st.has("refused") {
			return &result{kind: kindHTTP, status: 0, header: http.Header{}}, nil
		}
		return nil, err
	}
	defer resp.Body.Close()
	data, err := readAnswer(st, resp)
	if err != nil {
		return nil, err
	}
	if f, ok := st.directive("save"); ok {
		f, err := w.expand(f)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(w.path(f), data, 0o644); err != nil {
			return nil, err
		}
	}
	return &result{kind: kindHTTP, status: resp.StatusCode, header: resp.Header, body: data}, nil
}

func (w *world) newRequest(ctx context.Context, st *step, method, url string) (*http.Request, error) {
	body, err := w.body(st)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body == "" {
		req.Body = http.NoBody
	}
	if w.token != "" {
		req.Header.Set("X-Consul-Token", w.token)
	}
	for _, h := range st.Hdr {
		if h, err = w.expand(h); err != nil {
			return nil, err
		}
		k, v, _ := strings.Cut(h, ":")
		if v = strings.TrimSpace(v); v == "" {
			req.Header.Del(k)
		} else {
			req.Header.Set(k, v)
		}
	}
	return req, nil
}

// readAnswer reads the whole body, or what comes of it in the time that the
// step's "stream" directive gives before it hangs up.
func readAnswer(st *step, resp *http.Response) ([]byte, error) {
	limit, ok := st.directive("stream")
	if !ok {
		return io.ReadAll(resp.Body)
	}
	d, err := time.ParseDuration(limit)
	if err != nil {
		return nil, err
	}
	t := time.AfterFunc(d, func() { resp.Body.Close() })
	defer t.Stop()
	data, _ := io.ReadAll(resp.Body)
	return data, nil
}

// tlsConfig reads "ca=F cert=F key=F name=N insecure".
func (w *world) tlsConfig(opts string) (*tls.Config, error) {
	opts, err := w.expand(opts)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{}
	var cert, key string
	for _, f := range strings.Fields(opts) {
		k, v, _ := strings.Cut(f, "=")
		switch k {
		case "ca":
			pem, err := os.ReadFile(w.path(v))
			if err != nil {
				return nil, err
			}
			cfg.RootCAs = x509.NewCertPool()
			cfg.RootCAs.AppendCertsFromPEM(pem)
		case "cert":
			cert = w.path(v)
		case "key":
			key = w.path(v)
		case "name":
			cfg.ServerName = v
		case "insecure":
			cfg.InsecureSkipVerify = true
		}
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// command runs a line of shell. With b it is a background step, which may be
// sent signals and may be killed when its time is over.
func (w *world) command(ctx context.Context, st *step, a *agent, line string, b *background) (*result, error) {
	stdin, err := w.body(st)
	if err != nil {
		return nil, err
	}
	if st.HasBody {
		stdin += "\n"
	}
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Dir = w.dir
	cmd.Env = w.env(a)
	if w.token != "" {
		cmd.Env = append(cmd.Env, "CONSUL_HTTP_TOKEN="+w.token)
	}
	cmd.Stdin = strings.NewReader(stdin)
	var out, errOut lockedBuffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	if b != nil {
		b.mu.Lock()
		b.cmd = cmd
	}
	err = cmd.Start()
	if b != nil {
		b.mu.Unlock()
	}
	if err != nil {
		return nil, err
	}
	pid := cmd.Process.Pid
	w.host.started(pid)
	defer w.host.ended(pid)
	unwatch := context.AfterFunc(ctx, func() { syscall.Kill(-pid, syscall.SIGKILL) })
	err = cmd.Wait()
	unwatch()
	if ctx.Err() != nil && b == nil {
		return nil, fmt.Errorf("the command ran too long; it printed %q %q", clip(out.String()), clip(errOut.String()))
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		return nil, err
	}
	return &result{kind: kindCLI, exit: cmd.ProcessState.ExitCode(), body: out.Bytes(), stderr: errOut.Bytes()}, nil
}

// lockedBuffer can be read while a command that was left behind still writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// Bytes returns a copy.
func (l *lockedBuffer) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}

func (l *lockedBuffer) String() string { return string(l.Bytes()) }

// query sends a DNS question: NAME TYPE [tcp] [edns=N] [norec] [chaos] [port=N].
func (w *world) query(a *agent, line string) (*result, error) {
	f := strings.Fields(line)
	if len(f) < 2 {
		return nil, errors.New("a DNS step wants NAME TYPE")
	}
	qtype, ok := dns.StringToType[f[1]]
	if !ok {
		return nil, fmt.Errorf("no DNS type %s", f[1])
	}
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(f[0]), qtype)
	c := &dns.Client{Net: "udp", Timeout: 5 * time.Second, UDPSize: 65535}
	port := a.Ports["dns"]
	for _, opt := range f[2:] {
		k, v, _ := strings.Cut(opt, "=")
		var err error
		switch k {
		case "tcp":
			c.Net = "tcp"
		case "norec":
			m.RecursionDesired = false
		case "edns":
			var n int
			n, err = strconv.Atoi(v)
			m.SetEdns0(uint16(n), false)
		case "chaos":
			m.Question[0].Qclass = dns.ClassCHAOS
		case "port":
			port, err = strconv.Atoi(v)
		default:
			err = fmt.Errorf("no DNS option %s", opt)
		}
		if err != nil {
			return nil, err
		}
	}
	r, _, err := c.Exchange(m, fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil && r == nil {
		return nil, err
	}
	return &result{kind: kindDNS, msg: r}, nil
}
