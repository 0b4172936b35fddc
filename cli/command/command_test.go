package command

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"
)

func TestErrorText(t *testing.T) {
	list := api.StatusError{Code: 500, Body: "2 errors occurred:\n\t* one\n\t* two"}
	for _, test := range []struct {
		err  error
		want string
	}{
		{errors.New("plain"), "plain"},
		{api.StatusError{Code: 403, Body: "no"}, "Unexpected response code: 403 (no)"},
		{list, "Unexpected response code: 500 (2 errors occurred:\n\t* one\n\t* two\n\n)"},
		{fmt.Errorf("lock: %w", list), "lock: Unexpected response code: 500 (2 errors occurred:\n\t* one\n\t* two\n\n)"},
		{api.StatusError{Code: 500, Body: "2 errors are:\n\t* one"}, "Unexpected response code: 500 (2 errors are:\n\t* one)"},
		{api.StatusError{Code: 500, Body: "x error occurred:\n\t* one"}, "Unexpected response code: 500 (x error occurred:\n\t* one)"},
	} {
		if got := ErrorText(test.err); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// TestConfig shows how flags go before the environment.
func TestConfig(t *testing.T) {
	t.Setenv(api.HTTPAddrEnvName, "")
	parse := func(args ...string) *api.Config {
		f := flag.NewFlagSet("", flag.ContinueOnError)
		n := &connection{}
		n.flags(f, HTTP|Server)
		if err := f.Parse(args); err != nil {
			t.Fatal(err)
		}
		return n.config()
	}
	if got := parse().Address; got != "127.0.0.1:8500" {
		t.Errorf("default address %s", got)
	}
	t.Setenv(api.HTTPAddrEnvName, "localhost:8500")
	t.Setenv(api.HTTPTokenEnvName, "env")
	t.Setenv(api.HTTPCAFile, "env-ca")
	if got := parse(); got.Address != "localhost:8500" || got.Token != "env" || got.TLSConfig.CAFile != "env-ca" {
		t.Errorf("from the environment: %+v", got)
	}
	got := parse("-http-addr=a", "-token=b", "-token-file=c", "-ca-file=d", "-ca-path=e", "-client-cert=f", "-client-key=g",
		"-tls-server-name=h", "-datacenter=i")
	if got.Address != "a" || got.Token != "b" || got.TokenFile != "c" || got.Datacenter != "i" ||
		!reflect.DeepEqual(got.TLSConfig, api.TLSConfig{CAFile: "d", CAPath: "e", CertFile: "f", KeyFile: "g", Address: "h"}) {
		t.Errorf("from the flags: %+v", got)
	}
}

func TestColumns(t *testing.T) {
	var styled []string
	got := columns([][]string{{"A", "Long", "C"}, {"ключ", "", "x"}}, func(row, col int, cell string) string {
		styled = append(styled, fmt.Sprint(row, col, cell))
		return cell
	})
	if want := "A     Long  C\nключ        x\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(styled) != 6 {
		t.Errorf("styled %q", styled)
	}
}

func TestWrap(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{"one", "  one"},
		{"one two three", "  one two\n  three"},
		{"averyveryverylongword x", "  averyveryverylongword\n  x"},
	} {
		if got := wrap(test.text, 10, "  "); got != test.want {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
}

func TestData(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, []byte("content\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &Call{World: World{Stdin: strings.NewReader("input")}}
	for arg, want := range map[string]string{"text": "text", "": "", "-": "input", "-x": "-x", "@" + file: "content\n"} {
		if got, err := c.Data(arg); err != nil || got != want {
			t.Errorf("%q: got %q, %v", arg, got, err)
		}
	}
	if _, err := c.Data("@absent"); err == nil || err.Error() != "Failed to read file: open absent: no such file or directory" ||
		!errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
}

func TestPairs(t *testing.T) {
	var plain, colons map[string]string
	f := flag.NewFlagSet("", flag.ContinueOnError)
	PairsVar(f, &plain, false, "plain", "")
	PairsVar(f, &colons, true, "colons", "")
	if err := f.Parse([]string{"-plain=a=b:c=d", "-plain=e=", "-colons=a:b=c", "-colons=d=e:f"}); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"a": "b:c=d", "e": ""}; !reflect.DeepEqual(plain, want) {
		t.Errorf("got %v, want %v", plain, want)
	}
	if want := map[string]string{"a": "b=c", "d": "e:f"}; !reflect.DeepEqual(colons, want) {
		t.Errorf("got %v, want %v", colons, want)
	}
}

func TestEndFlags(t *testing.T) {
	for args, want := range map[string]string{
		"":                       "",
		"-h":                     "-h",
		"ls -h":                  "-- ls -h",
		"-token t ls -h":         "-token t -- ls -h",
		"--token=t --stale x -h": "--token=t --stale -- x -h",
		"-stale -- x -h":         "-stale -- x -h",
		"-token":                 "-token",
		"-":                      "-- -",
		"-bogus x":               "-bogus -- x",
	} {
		if got := strings.Join(EndFlags(anyCommand{}, strings.Fields(args)), " "); got != want {
			t.Errorf("%q: got %q, want %q", args, got, want)
		}
	}
}

type anyCommand struct{ NoFlags }

func (anyCommand) Doc() Doc      { return Doc{Usage: "any", Groups: HTTP | Server} }
func (anyCommand) Run(*Call) int { return 0 }

// TestPlain shows that a program which reads the output gets no colors.
func TestPlain(t *testing.T) {
	var out, errOut bytes.Buffer
	c := &Call{World: World{Stdout: &out, Stderr: &errOut}}
	c.Table([][]string{{"Status"}, {"alive"}})
	c.Warn("warning %s", errors.New("x"))
	if code := c.Fail("failed"); code != ExitError || out.String() != "Status\nalive\n" || errOut.String() != "warning x\nfailed\n" {
		t.Errorf("%d, %q, %q", code, out.String(), errOut.String())
	}
}
