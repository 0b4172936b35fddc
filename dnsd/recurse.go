package dnsd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// recurse has a recursor answer a question that is not for a zone of ours.
func (s *Server) recurse(ctx context.Context, w *worker, x *question) *dns.Msg {
	refusal := x.refusal(dns.RcodeServerFailure)
	refusal.RecursionAvailable = x.set.recurses() || isARPA(x.labels) // as the original does
	if !x.set.recurses() {
		return refusal
	}
	network, limit := "udp", minUDP
	if opt := x.req.IsEdns0(); opt != nil {
		limit = max(minUDP, min(int(opt.UDPSize()), maxUDP))
	}
	if x.tcp {
		network, limit = "tcp", maxTCP
	}
	m, err := s.exchange(ctx, w, x.set, network, x.req)
	if err != nil {
		s.logger.Warn("recursors have no answer", "name", x.q.Name, "type", dns.Type(x.q.Qtype), "error", err)
		return refusal
	}
	m.Id, m.Question = x.req.Id, x.req.Question
	m.Compress = !x.set.DNS.DisableCompression
	if m.Len() > limit {
		m.Truncate(limit)
	}
	return m
}

// The errors of recursion.
var (
	errTooMany  = errors.New("too many questions at recursors")
	errSelf     = errors.New("the recursor is this server")
	errMismatch = errors.New("an answer to another question")
)

// exchange asks the recursors one after the other until one answers that the
// name exists or that it does not.
func (s *Server) exchange(ctx context.Context, w *worker, set *settings, network string, question *dns.Msg) (*dns.Msg, error) {
	if !s.recursions.take() {
		return nil, errTooMany
	}
	defer s.recursions.give()
	recursors := set.DNS.Recursors
	if set.DNS.RecursorsRandomized {
		recursors = slices.Clone(recursors)
		rand.New(w.random.pcg).Shuffle(len(recursors), func(i, j int) { recursors[i], recursors[j] = recursors[j], recursors[i] })
	}
	var errs []error
	for _, address := range recursors {
		m, err := s.ask(ctx, set.DNS.RecursorTimeout, network, address, question)
		if err == nil && m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
			err = errors.New(dns.RcodeToString[m.Rcode])
		}
		if err == nil {
			return m, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		errs = append(errs, fmt.Errorf("recursor %s: %w", address, err))
	}
	return nil, errors.Join(errs...)
}

const (
	defaultRecursorTimeout = 2 * time.Second
	// recursorUDP is the largest packet taken from a recursor that was not
	// told a size.
	recursorUDP = 4096
)

// ask asks one recursor, under an ID of its own so that nobody who knows the
// client's can answer in its place.
func (s *Server) ask(ctx context.Context, timeout time.Duration, network, address string, question *dns.Msg) (*dns.Msg, error) {
	if s.isSelf(address) {
		return nil, errSelf
	}
	if timeout <= 0 {
		timeout = defaultRecursorTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := s.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if stop() {
			_ = conn.Close()
		}
	}()
	q := question.Copy()
	q.Id = dns.Id()
	client := &dns.Client{Net: network, Timeout: timeout, UDPSize: recursorUDP}
	m, _, err := client.ExchangeWithConnContext(ctx, q, &dns.Conn{Conn: conn})
	if err != nil {
		return nil, err
	}
	if !m.Response || len(m.Question) != 1 || m.Question[0].Qtype != q.Question[0].Qtype || m.Question[0].Qclass != q.Question[0].Qclass ||
		!strings.EqualFold(m.Question[0].Name, q.Question[0].Name) {
		return nil, errMismatch
	}
	return m, nil
}

// isSelf tells whether an address is one that this server listens on, so that
// a question would come back to it again and again.
func (s *Server) isSelf(address string) bool {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.listening, func(a net.Addr) bool {
		own, err := netip.ParseAddrPort(a.String())
		return err == nil && own.Port() == to.Port() &&
			(own.Addr().Unmap() == to.Addr().Unmap() || own.Addr().IsUnspecified() && to.Addr().IsLoopback())
	})
}
