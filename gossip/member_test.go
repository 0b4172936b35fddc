package gossip

import "testing"

// What a server publishes, others read back.
func TestServerTags(t *testing.T) {
	for _, s := range []Server{
		{Port: 8300},
		{Port: 8300, WANPort: 8302, Bootstrap: true},
		{Port: 1, Expect: 3, ReadReplica: true},
	} {
		m := Member{Addr: "fd00::1", Tags: (&Config{Server: &s}).tags()}
		if got, ok := m.Server(); !ok || got != s {
			t.Errorf("published %+v, read %+v, %t", s, got, ok)
		}
	}
	m := Member{Addr: "fd00::1", Tags: (&Config{Server: &Server{Port: 8300}}).tags()}
	if got := m.ServerAddr(); got != "[fd00::1]:8300" {
		t.Errorf("address %q", got)
	}
	for _, port := range []string{"", "0", "-1", "65536", "http", "8300 "} {
		m.Tags[TagPort] = port
		if _, ok := m.Server(); ok || m.ServerAddr() != "" {
			t.Errorf("port %q was read", port)
		}
	}
	client := Member{Tags: (&Config{}).tags()}
	if _, ok := client.Server(); ok {
		t.Error("a client was taken for a server")
	}
}

func FuzzServer(f *testing.F) {
	f.Add("consul", "8300", "8302", "3")
	f.Add("node", "", "-1", "99999999999999999999")
	f.Fuzz(func(t *testing.T, role, port, wan, expect string) {
		m := Member{Addr: "10.0.0.1", Tags: map[string]string{
			TagRole: role, TagPort: port, tagWANPort: wan, "expect": expect,
		}}
		s, ok := m.Server()
		if ok && (s.Port < 1 || s.Port > 65535 || s.WANPort < 0 || s.WANPort > 65535 || s.Expect < 0) {
			t.Fatalf("%+v", s)
		}
	})
}

func TestStatusNames(t *testing.T) {
	for s, want := range map[Status]string{0: "none", 1: "alive", 2: "leaving", 3: "left", 4: "failed", 5: "none"} {
		if s.String() != want {
			t.Errorf("status %d is %q, want %q", int(s), s, want)
		}
	}
}
