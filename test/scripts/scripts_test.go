// Package scripts runs the tutorial: files of commands, as a person types
// them, that start real agents on machines that are addresses of the loopback
// network. The scripts are meant to be read; see README.md for their words.
package scripts

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestTutorial(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the scripts need a loopback network with many addresses, which Linux has")
	}
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "muster"), "muster/cmd/muster").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	docker, err := filepath.Abs("../../dist/docker")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", dir+":"+docker+":"+os.Getenv("PATH"))
			return prepare(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"on":      on,
			"start":   start,
			"log":     waitLog,
			"notice":  notice,
			"until":   until,
			"signal":  signalAgent,
			"ends":    ends,
			"exits":   exits,
			"capture": capture,
			"muster":  program("muster"),
			"curl":    program("curl"),
			"dig":     program("dig"),
		},
	})
}

// machines are the names of a script's machines.
var machines = []string{"one", "two", "three", "four", "five"}

// ports are the ports that all machines of a script use, in the words of the
// configuration, and the variables that hold them.
var ports = []struct{ option, variable string }{
	{"http", "http"}, {"dns", "dns"}, {"server", "rpc"}, {"serf_lan", "lan"}, {"serf_wan", "wan"},
}

// prepare gives a script its machines: addresses that nobody else uses, with
// ports that are free on all of them.
func prepare(env *testscript.Env) error {
	network, held, err := reserve()
	if err != nil {
		return err
	}
	env.Defer(func() { held.Close() })
	for i, name := range machines {
		env.Setenv(name, fmt.Sprintf("%s.%d", network, i+1))
	}
	free, err := freePorts(env, len(ports))
	if err != nil {
		return err
	}
	var config []string
	for i, p := range ports {
		env.Setenv(p.variable, fmt.Sprint(free[i]))
		config = append(config, fmt.Sprintf("%q: %d", p.option, free[i]))
	}
	l := &lab{ports: "{" + strings.Join(config, ", ") + "}", agents: map[string]*agent{}, here: machines[0]}
	env.Values[labKey{}] = l
	env.Setenv("CONSUL_HTTP_ADDR", env.Getenv(l.here)+":"+env.Getenv("http"))
	env.Setenv("host", env.Getenv(l.here))
	env.Defer(l.stopAll)
	return nil
}

// reserve finds a network 127.A.B.0/24 that no other script uses, and holds it
// until the listener is closed: whoever wants it must listen there too.
func reserve() (string, net.Listener, error) {
	var last error
	for i := range 1000 {
		// Different processes begin at different places.
		n := (os.Getpid()*31 + i) % (254 * 254)
		network := fmt.Sprintf("127.%d.%d", 1+n/254, 1+n%254)
		l, err := net.Listen("tcp", network+".254:32000")
		if err == nil {
			return network, l, nil
		}
		last = err
	}
	return "", nil, fmt.Errorf("no loopback network is free: %w", last)
}

// freePorts finds ports that are free on all machines, on TCP and UDP.
func freePorts(env *testscript.Env, n int) ([]int, error) {
	var out []int
	for port := 20000 + os.Getpid()%10000; len(out) < n && port < 32000; port++ {
		if free(env, port) {
			out = append(out, port)
		}
	}
	if len(out) < n {
		return nil, fmt.Errorf("fewer than %d ports are free", n)
	}
	return out, nil
}

func free(env *testscript.Env, port int) bool {
	for _, name := range machines {
		addr := fmt.Sprintf("%s:%d", env.Getenv(name), port)
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return false
		}
		l.Close()
		u, err := net.ListenPacket("udp", addr)
		if err != nil {
			return false
		}
		u.Close()
	}
	return true
}
