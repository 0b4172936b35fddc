package dnsd

import (
	"context"
	"encoding/json"
	"flag"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"muster/model"
)

var update = flag.Bool("update", false, "write the expectations of testdata/*.txt")

// TestScripts goes through testdata/*.txt. Their lines:
//
//	config {"json": "of scriptConfig"}   a server with this configuration
//	register {...}                        as PUT /v1/catalog/register
//	deregister {...}                      as PUT /v1/catalog/deregister
//	query {...}                           as POST /v1/query
//	elsewhere DC [...]                    the instances that another datacenter has
//	? NAME TYPE [edns=N] [do] [ecs=NET] [tcp] [norec] [cd] [class=C]
//
// What a question is answered stands below it. Each is also asked again, so
// that the fast path answers where it can, and that must not show.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(b))
			if got == string(b) {
				return
			}
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			was, is := strings.Split(string(b), "\n"), strings.Split(got, "\n")
			for i := range is {
				if i >= len(was) || was[i] != is[i] {
					t.Fatalf("line %d: got\n%s\nwant\n%s", i+1, strings.Join(is[i:min(len(is), i+4)], "\n"), strings.Join(was[i:min(len(was), i+4)], "\n"))
				}
			}
			t.Fatal("expectations beyond the end")
		})
	}
}

// scriptConfig is what scripts can configure.
type scriptConfig struct {
	Domain, AltDomain                                               string
	NodeTTL, ServiceTTLAll                                          int // seconds
	ServiceTTL                                                      map[string]int
	OnlyPassing, Truncate, NoMeta, NoCompression, Strict, Translate bool
	AnswerLimit, ARecordLimit                                       int
	MinTTL                                                          uint32
	Recursors                                                       []string
}

func (sc scriptConfig) config() Config {
	c := defaults()
	d := &c.DNS
	if sc.Domain != "" {
		d.Domain = sc.Domain
	}
	d.AltDomain = sc.AltDomain
	d.NodeTTL = time.Duration(sc.NodeTTL) * time.Second
	d.ServiceTTL = map[string]time.Duration{}
	for name, n := range sc.ServiceTTL {
		d.ServiceTTL[name] = time.Duration(n) * time.Second
	}
	d.OnlyPassing, d.EnableTruncate, d.NodeMetaTXT, d.DisableCompression = sc.OnlyPassing, sc.Truncate, !sc.NoMeta, sc.NoCompression
	d.AllowStale = !sc.Strict
	if sc.AnswerLimit > 0 {
		d.UDPAnswerLimit = sc.AnswerLimit
	}
	d.ARecordLimit, d.SOA.MinTTL, d.Recursors = sc.ARecordLimit, sc.MinTTL, sc.Recursors
	c.TranslateWAN = sc.Translate
	return c
}

func runScript(t *testing.T, script string) string {
	var out strings.Builder
	var w *world
	for line := range strings.SplitSeq(script, "\n") {
		if strings.HasPrefix(line, "=>") || strings.HasPrefix(line, "|") {
			continue
		}
		if out.Len() > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(line)
		verb, rest, _ := strings.Cut(line, " ")
		if w == nil && verb != "config" && line != "" && verb != "#" {
			w = newWorld(t, defaults())
		}
		switch verb {
		case "", "#":
		case "config":
			var sc scriptConfig
			if err := json.Unmarshal([]byte(rest), &sc); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			w = newWorld(t, sc.config(), func(o *Options) { o.Dial = fakeRecursors })
		case "register":
			w.register(rest)
		case "deregister":
			var r model.DeregisterRequest
			if err := json.Unmarshal([]byte(rest), &r); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if err := w.ops.Deregister(context.Background(), "", &r); err != nil {
				t.Fatal(err)
			}
		case "query":
			var q model.PreparedQuery
			if err := json.Unmarshal([]byte(rest), &q); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if _, err := w.ops.QueryCreate(context.Background(), "", &q); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		case "elsewhere":
			dc, list, _ := strings.Cut(rest, " ")
			var instances []*model.CheckServiceNode
			if err := json.Unmarshal([]byte(list), &instances); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			w.elsewhere[dc] = instances
		case "?":
			out.WriteString("\n" + strings.TrimSuffix(w.scriptQuestion(rest), "\n"))
		default:
			t.Fatalf("what is %q?", line)
		}
	}
	return out.String()
}

func (w *world) scriptQuestion(text string) string {
	words := strings.Fields(text)
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(words[0]), dns.StringToType[words[1]])
	tcp := false
	for _, word := range words[2:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "edns":
			n, _ := strconv.Atoi(value)
			m.SetEdns0(uint16(n), false)
		case "do":
			m.IsEdns0().SetDo()
		case "version":
			m.IsEdns0().SetVersion(1)
		case "cookie":
			m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0123456789abcdef"})
		case "ecs":
			ip, n, err := net.ParseCIDR(value)
			if err != nil {
				w.t.Fatal(err)
			}
			ones, _ := n.Mask.Size()
			m.IsEdns0().Option = append(m.IsEdns0().Option,
				&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(ones), Address: ip.To4()})
		case "tcp":
			tcp = true
		case "norec":
			m.RecursionDesired = false
		case "cd":
			m.CheckingDisabled = true
		case "class":
			m.Question[0].Qclass = dns.StringToClass[value]
		default:
			w.t.Fatalf("what is %q in ? %s", word, text)
		}
	}
	b, err := m.Pack()
	if err != nil {
		w.t.Fatal(err)
	}
	got := render(w.unpack(w.slow(b, tcp)))
	if again := w.fast(b, tcp); again != nil {
		if is := render(w.unpack(again)); is != got && !strings.Contains(got, " tc") {
			w.t.Errorf("%s: the fast path answers\n%s\nthe general path\n%s", text, is, got)
		}
	}
	return got
}

// fakeRecursors answers at 192.0.2.53 as a resolver, refuses at 192.0.2.54 and
// is not there at 192.0.2.55. At 192.0.2.56 all UDP answers are truncated.
func fakeRecursors(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if host == "192.0.2.55" {
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.ErrDeadlineExceeded}
	}
	near, far := net.Pipe()
	conn := &dns.Conn{Conn: far}
	go func() { // ends with the connection
		defer far.Close()
		q, err := conn.ReadMsg()
		if err != nil {
			return
		}
		m := resolveFake(q)
		if host == "192.0.2.54" {
			m = new(dns.Msg).SetRcode(q, dns.RcodeRefused)
		}
		if host == "192.0.2.56" && network == "udp" {
			m.Answer, m.Truncated = nil, true
		}
		_ = conn.WriteMsg(m)
	}()
	return near, nil
}

var fakeZone = map[string][]string{
	"host.example.":            {"host.example. 60 IN A 192.0.2.10", "host.example. 60 IN AAAA 2001:db8::10"},
	"www.example.":             {"www.example. 60 IN CNAME host.example.", "host.example. 60 IN A 192.0.2.10"},
	"loop.example.":            {"loop.example. 60 IN CNAME loop.example."},
	"big.example.":             {"big.example. 60 IN A 192.0.2.1", "big.example. 60 IN A 192.0.2.2", "big.example. 60 IN A 192.0.2.3", "big.example. 60 IN A 192.0.2.4", "big.example. 60 IN A 192.0.2.5", "big.example. 60 IN A 192.0.2.6"},
	"10.2.0.192.in-addr.arpa.": {"10.2.0.192.in-addr.arpa. 60 IN PTR host.example."},
}

func resolveFake(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(q)
	m.RecursionAvailable = true
	name := strings.ToLower(q.Question[0].Name)
	records, ok := fakeZone[name]
	if !ok {
		m.Rcode = dns.RcodeNameError
	}
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			panic(err)
		}
		if t := rr.Header().Rrtype; t == q.Question[0].Qtype || t == dns.TypeCNAME || q.Question[0].Qtype == dns.TypeANY {
			m.Answer = append(m.Answer, rr)
		}
	}
	return m
}
