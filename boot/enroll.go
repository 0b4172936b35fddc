package boot

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"muster/internal/authority"
	"muster/internal/tlsx"
	"muster/model"
	"muster/ops"
	"muster/state"
)

// enrollProtocol (ALPN) is what agents without a certificate speak on the port
// between agents: HTTP/1.1, of which servers answer one request.
const (
	enrollProtocol = "muster-enroll"
	enrollPath     = "/v1/internal/agent/sign"
	// enrollBytes bounds a request and its answer.
	enrollBytes = 1 << 20
	// enrollTimeout bounds one attempt.
	enrollTimeout = 10 * time.Second
)

// enrollment is what a server answers to an agent that asks for a certificate.
type enrollment struct {
	ops.AgentCertificate
	// Authorities (PEM) are those that vouch for the servers.
	Authorities string
	// VerifyServerHostname has the agent see to it whom it talks to.
	VerifyServerHostname bool
}

// startEnrolling lets agents ask this server for certificates, where it may
// give them, and lets those pass that have one.
func (a *Agent) startEnrolling() error {
	if a.port == nil || !a.cfg.TLS.AllowAutoEncrypt {
		return nil
	}
	if !a.rpcTLS.HasCertificate() {
		return errors.New("auto_encrypt.allow_tls needs a certificate of this server: set tls.internal_rpc.cert_file, key_file and ca_file")
	}
	if !a.cfg.TLS.InternalRPC.VerifyIncoming {
		a.log.Named("agent").Warn("auto_encrypt.allow_tls is on and verify_incoming is off: agents without a certificate are not refused")
	}
	s := &http.Server{
		Handler:           http.MaxBytesHandler(http.HandlerFunc(a.enrollOther), enrollBytes),
		ReadHeaderTimeout: enrollTimeout, ReadTimeout: enrollTimeout, MaxHeaderBytes: 16 << 10, ErrorLog: a.log.Standard("agent.rpc"),
	}
	s.SetKeepAlivesEnabled(false)
	a.running.Go(func() {
		if err := s.Serve(a.port.Strangers()); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			a.log.Named("agent.rpc").Error("could not go on giving certificates to agents", "error", err)
		}
	})
	a.onStop(func() { s.Close() })
	ctx, cancel := context.WithCancel(context.Background())
	a.onStop(cancel)
	a.running.Go(func() { a.followAuthority(ctx) })
	return nil
}

// followAuthority has the port between agents accept the certificates of the
// cluster's own authority, whatever that is at the time.
func (a *Agent) followAuthority(ctx context.Context) {
	for ctx.Err() == nil {
		watch := a.store.Watch(state.TopicCA)
		_, roots := a.store.Current().CARoots()
		var certs []*x509.Certificate
		for _, r := range roots {
			all, err := tlsx.ParseCertificates([]byte(r.RootCert))
			if err != nil {
				a.log.Named("agent.rpc").Error("a root of the cluster's authority cannot be read", "root", r.ID, "error", err)
			}
			certs = append(certs, all...)
		}
		a.rpcTLS.TrustAgents(certs)
		select {
		case <-watch.Done():
		case <-ctx.Done():
		}
		watch.Close()
	}
}

// enrollOther answers another agent's request for a certificate.
func (a *Agent) enrollOther(w http.ResponseWriter, r *http.Request) {
	answer, err := a.enrollmentFor(r)
	if err != nil {
		status := http.StatusInternalServerError
		switch model.KindOf(err) {
		case model.BadRequest:
			status = http.StatusBadRequest
		case model.Denied, model.NoToken:
			status = http.StatusForbidden
		}
		a.log.Named("agent.rpc").Warn("gave an agent no certificate", "from", r.RemoteAddr, "error", err)
		http.Error(w, err.Error(), status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // who asked may be gone
}

func (a *Agent) enrollmentFor(r *http.Request) (*enrollment, error) {
	if r.Method != http.MethodPut || r.URL.Path != enrollPath {
		return nil, model.Errorf(model.BadRequest, "agents without a certificate can only ask for one")
	}
	request, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, model.Errorf(model.BadRequest, "read request: %w", err)
	}
	out := &enrollment{VerifyServerHostname: a.cfg.TLS.VerifyServerHostname}
	token := r.Header.Get("X-Consul-Token")
	if a.relay.Here(write) {
		cert, err := a.ops.SignAgent(r.Context(), token, string(request), a.isServerName)
		if err != nil {
			return nil, err
		}
		out.AgentCertificate = *cert
	} else if err := a.call(r.Context(), write, http.MethodPut, enrollPath, token, request, &out.AgentCertificate); err != nil {
		return nil, err
	}
	for _, c := range a.rpcTLS.Authorities() {
		out.Authorities += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return out, nil
}

func (a *Agent) isServerName(name string) bool { return tlsx.IsServerName(name, a.cfg.DNS.Domain) }

// startEnroll gets this agent its certificate from the servers, before anything
// else, and has it renewed. It is kept in memory only.
func (a *Agent) startEnroll() error {
	if !a.cfg.TLS.AutoEncrypt {
		return nil
	}
	if !a.joinsLAN() {
		return errors.New("auto_encrypt.tls needs the addresses of servers: set retry_join")
	}
	ctx, cancel := context.WithCancel(context.Background())
	a.onStop(cancel)
	begin, end, err := a.enrollUntilDone(ctx)
	if err != nil {
		return err
	}
	a.running.Go(func() { a.renew(ctx, begin, end) })
	return nil
}

// Bounds of the time between attempts to get a first certificate.
const enrollWaitMin, enrollWaitMax = time.Second, 30 * time.Second

func (a *Agent) enrollUntilDone(ctx context.Context) (begin, end time.Time, err error) {
	for wait := enrollWaitMin; ; wait = min(2*wait, enrollWaitMax) {
		begin, end, err := a.enroll(ctx)
		if err == nil {
			return begin, end, nil
		}
		a.log.Named("agent").Warn("could not get a certificate from the servers, will try again", "retry_interval", wait, "error", err)
		select {
		case <-time.After(wait + jitter(wait/4)):
		case <-a.world.Interrupt:
			return begin, end, fmt.Errorf("get a certificate: interrupted: %w", err)
		}
	}
}

// renew gets another certificate before one ends. What goes wrong then is tried
// again as long as the agent lives. When one ends is told by the wall clock, which
// may be set while a timer runs, so it is looked at more often.
func (a *Agent) renew(ctx context.Context, begin, end time.Time) {
	const againMin = time.Second
	due := renewAt(begin, end)
	timer := time.NewTimer(lookAgain(due))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		if left := lookAgain(due); left > 0 {
			timer.Reset(left)
			continue
		}
		b, e, err := a.enroll(ctx)
		switch {
		case err == nil:
			end, due = e, renewAt(b, e)
			timer.Reset(lookAgain(due))
		case ctx.Err() == nil:
			again := min(max(time.Until(end)/10, againMin), enrollWaitMax)
			a.log.Named("agent").Error("could not renew the certificate of this agent", "expires", end, "retry_interval", again, "error", err)
			timer.Reset(again)
		}
	}
}

// renewAt is when to renew a certificate: after about two thirds of its life,
// not all agents at once. It is a time of the wall clock.
func renewAt(begin, end time.Time) time.Time {
	life := end.Sub(begin)
	return begin.Add(life*6/10 + jitter(life/10)).Round(0)
}

// lookAgain is how long to wait until a time of the wall clock, or until somebody
// may have set that clock; 0 when it is reached.
func lookAgain(at time.Time) time.Duration {
	return min(max(time.Until(at), 0), time.Minute)
}

// enroll asks one server after another for a certificate.
func (a *Agent) enroll(ctx context.Context) (begin, end time.Time, err error) {
	name := authority.AgentURI("unknown"+model.TrustDomainSuffix, a.cfg.Datacenter, a.cfg.Node.Name)
	names := append([]string{"localhost"}, a.cfg.TLS.AutoEncryptNames...)
	ips := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	for _, ip := range a.cfg.TLS.AutoEncryptAddresses {
		ips = append(ips, ip.AsSlice())
	}
	request, key, err := authority.AgentRequest(name, names, ips)
	if err != nil {
		return begin, end, err
	}
	servers, failed := a.enrollAt(ctx)
	for _, address := range servers {
		answer, err := a.askToEnroll(ctx, address, request)
		if err == nil {
			begin, end, err = a.useEnrollment(answer, key)
		}
		if err == nil {
			a.log.Named("agent").Info("got a certificate", "server", address, "expires", end)
			return begin, end, nil
		}
		failed = append(failed, fmt.Errorf("%s: %w", address, err))
	}
	if len(failed) == 0 {
		failed = append(failed, errors.New("no server is known"))
	}
	return begin, end, errors.Join(failed...)
}

// enrollAt are the ports of servers: those that gossip knows, and those at the
// hosts that are to be joined, where this agent's own ports.server is taken for
// theirs.
func (a *Agent) enrollAt(ctx context.Context) (addresses []string, failed []error) {
	if a.pool.Load() != nil {
		addresses, _ = a.serversOf(a.cfg.Datacenter)
	}
	j := a.cfg.Join.LAN
	hosts, err := a.joinAddresses(ctx, append(append([]string{}, j.Start...), j.Retry...))
	if err != nil {
		failed = append(failed, err)
	}
	for _, host := range hosts {
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		addresses = append(addresses, net.JoinHostPort(strings.Trim(host, "[]"), fmt.Sprint(a.cfg.RPC.Bind.Port())))
	}
	return addresses, failed
}

func (a *Agent) askToEnroll(ctx context.Context, address, request string) (*enrollment, error) {
	ctx, cancel := context.WithTimeout(ctx, enrollTimeout)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true, DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		raw, err := a.dial(ctx, address)
		if err != nil {
			return nil, err
		}
		c := tls.Client(raw, a.rpcTLS.Stranger(enrollProtocol, a.cfg.Datacenter))
		if err := c.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, err
		}
		if c.ConnectionState().NegotiatedProtocol != enrollProtocol {
			raw.Close()
			return nil, errors.New("this server gives no certificates: set auto_encrypt.allow_tls there")
		}
		return c, nil
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "https://"+address+enrollPath, bytes.NewReader([]byte(request)))
	if err != nil {
		return nil, err
	}
	if token := (catalog{a}).token(); token != "" {
		req.Header.Set("X-Consul-Token", token)
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, enrollBytes))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %d (%s)", resp.StatusCode, strings.TrimSpace(string(body)))
	}
	out := new(enrollment)
	return out, json.Unmarshal(body, out)
}

// useEnrollment has all connections from now on made with a new certificate.
func (a *Agent) useEnrollment(e *enrollment, key string) (begin, end time.Time, err error) {
	cert, err := tls.X509KeyPair([]byte(e.Certificate), []byte(key))
	if err != nil {
		return begin, end, fmt.Errorf("the certificate is of no use: %w", err)
	}
	roots, err := tlsx.ParseCertificates([]byte(e.Authorities))
	if err != nil {
		return begin, end, fmt.Errorf("the certificates of the servers' authorities are of no use: %w", err)
	}
	issued := tlsx.Issued{Certificate: cert, Authorities: roots}
	if e.VerifyServerHostname {
		issued.ServerDomain = a.cfg.DNS.Domain
	}
	a.rpcTLS.Enroll(issued)
	return cert.Leaf.NotBefore, cert.Leaf.NotAfter, nil
}

// dial connects to another agent's port.
func (a *Agent) dial(ctx context.Context, address string) (net.Conn, error) {
	if a.world.Dial != nil {
		return a.world.Dial(ctx, address)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}
