package check

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"muster/internal/process"
	"muster/model"
)

const (
	// userAgent is what access logs and filters in the field know checks by.
	userAgent = "Consul Health Check"
	// bodyMax is how much of an answer is read, in bytes.
	bodyMax = 1 << 20
	// A connection is kept for the next run of a check only when that comes
	// soon, and not for ever: a server that has stopped to accept connections
	// must not go unnoticed, and a balancer gets the chance to choose again.
	keepInterval = 5 * time.Second
	keepRuns     = 10
	// connsPerHost is how many connections to one server are kept for checks
	// that share theirs: as many as may run at the same moment.
	connsPerHost = 64
)

// transports are the connections that HTTP checks share.
type transports struct {
	plain *http.Transport
	// insecure does not verify certificates.
	insecure *http.Transport
	// buffers are *[]byte for reading answers into.
	buffers *sync.Pool
}

func newTransports(opt *Options) transports {
	return transports{
		plain:    newTransport(opt, &model.CheckDefinition{}),
		insecure: newTransport(opt, &model.CheckDefinition{TLSSkipVerify: true}),
		buffers: &sync.Pool{New: func() any {
			b := make([]byte, 4096)
			return &b
		}},
	}
}

func newTransport(opt *Options, def *model.CheckDefinition) *http.Transport {
	return &http.Transport{
		Proxy:                  opt.Proxy,
		DialContext:            opt.Dial,
		TLSClientConfig:        tlsFor(opt.TLS, def, true),
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    connsPerHost,
		IdleConnTimeout:        2 * keepInterval,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

func (t *transports) close() {
	t.plain.CloseIdleConnections()
	t.insecure.CloseIdleConnections()
}

// httpProbe asks for a URL: 2xx is passing, 429 a warning, all else critical.
type httpProbe struct {
	direct    *direct // nil when the client is to ask
	client    http.Client
	own       *http.Transport // nil when the connections are shared
	request   *http.Request   // what each request is a copy of
	body      string
	keep      bool
	runs      int
	outputMax int
	prefix    string
	buffers   *sync.Pool
}

func (r *Runner) newHTTP(spec *Spec) (*httpProbe, error) {
	def := spec.Def
	method := def.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequest(method, def.HTTP, nil)
	if err != nil {
		return nil, model.Errorf(model.BadRequest, "Invalid check: %w", err)
	}
	for name, values := range def.Header {
		for _, v := range values {
			req.Header.Add(name, v)
		}
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", userAgent)
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "text/plain, text/*, */*")
	}
	p := &httpProbe{
		request: req, body: def.Body, outputMax: spec.OutputMaxSize, buffers: r.http.buffers,
		prefix: "HTTP " + method + " " + def.HTTP + ": ",
		// Only requests that net/http may repeat can run into a connection
		// that the server is just closing without the check failing.
		keep: time.Duration(def.Interval) <= keepInterval && def.Body == "" && (method == http.MethodGet || method == http.MethodHead),
	}
	switch {
	case def.TLSServerName != "":
		p.own = newTransport(&r.opt, def)
		p.client.Transport = p.own
	case def.TLSSkipVerify:
		p.client.Transport = r.http.insecure
	default:
		p.client.Transport = r.http.plain
	}
	if def.DisableRedirects {
		p.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	if p.keep {
		p.direct = newDirect(req, &r.opt)
	}
	return p, nil
}

func (p *httpProbe) probe(ctx context.Context) (status, output string) {
	if p.direct != nil {
		moved := false
		err := p.direct.ask(ctx, func(resp *http.Response) (ended bool) {
			moved = p.client.CheckRedirect == nil && resp.StatusCode/100 == 3 && resp.Header.Get("Location") != ""
			if !moved {
				status, output, ended = p.judge(resp)
			}
			return ended
		})
		switch {
		case err != nil:
			return model.HealthCritical, err.Error()
		case !moved:
			return status, output
		}
		// From now on the client asks, which follows.
		p.direct.close()
		p.direct = nil
	}
	req := p.request.WithContext(ctx)
	p.runs++
	req.Close = !p.keep || p.runs%keepRuns == 0
	if p.body != "" {
		req.ContentLength = int64(len(p.body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(p.body)), nil }
		req.Body, _ = req.GetBody()
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return model.HealthCritical, err.Error()
	}
	defer resp.Body.Close()
	status, output, _ = p.judge(resp)
	return status, output
}

// judge reads an answer. It tells whether it came to its end.
func (p *httpProbe) judge(resp *http.Response) (status, output string, ended bool) {
	body := process.Tail{Max: p.outputMax}
	buffer := p.buffers.Get().(*[]byte)
	defer p.buffers.Put(buffer)
	n, err := io.CopyBuffer(&body, io.LimitReader(resp.Body, bodyMax), *buffer)
	if err != nil {
		body.Write([]byte("\nread answer: " + err.Error()))
	}
	return httpStatus(resp.StatusCode), p.prefix + resp.Status + " Output: " + body.String(), err == nil && n < bodyMax
}

func httpStatus(code int) string {
	switch {
	case code >= 200 && code <= 299:
		return model.HealthPassing
	case code == http.StatusTooManyRequests:
		return model.HealthWarning
	}
	return model.HealthCritical
}

func (p *httpProbe) close() {
	if p.direct != nil {
		p.direct.close()
	}
	if p.own != nil {
		p.own.CloseIdleConnections()
	}
}
