package discover

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

var silent = log.New(io.Discard, "", 0)

// fake is a provider as a test wants it.
type fake func(args map[string]string) ([]string, error)

func (f fake) Addrs(args map[string]string, _ *log.Logger) ([]string, error) { return f(args) }

func fakes(f fake) map[string]known { return map[string]known{"fake": {f, []string{"key", "other"}}} }

func TestFind(t *testing.T) {
	var got map[string]string
	all := fakes(func(args map[string]string) ([]string, error) {
		got = args
		return []string{"10.0.0.1", "10.0.0.2:8301"}, nil
	})
	addresses, err := find(t.Context(), all, `provider=fake key="a b=\"c\"" other=x`, silent)
	if err != nil || !slices.Equal(addresses, []string{"10.0.0.1", "10.0.0.2:8301"}) {
		t.Errorf("%q, %v", addresses, err)
	}
	if want := map[string]string{"provider": "fake", "key": `a b="c"`, "other": "x"}; !maps.Equal(got, want) {
		t.Errorf("asked with %q", got)
	}
}

func TestWrongTexts(t *testing.T) {
	all := fakes(func(map[string]string) ([]string, error) { return nil, errors.New("cloud is away") })
	for text, want := range map[string]string{
		"provider=fake":                 "cloud is away",
		"provider=other":                `there is no provider "other": there are fake`,
		"key=x":                         `there is no provider "": there are fake`,
		"provider=fake region=x":        `provider fake knows no key "region": it knows key, other`,
		"provider=fake key=a=b":         `the value of "key" must stand in double quotes, since it holds "="`,
		"provider=fake key":             `"key" is not key=value`,
		"provider=fake =x":              `"=x" is not key=value`,
		"provider=fake key=a key=b":     `the key "key" is given twice`,
		`provider=fake key="never ends`: "a double quote is not closed",
	} {
		if _, err := find(t.Context(), all, text, silent); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if err := Check("provider=softlayer"); err == nil || !strings.Contains(err.Error(), "aws, azure, digitalocean, gce, k8s, mdns") {
		t.Error(err)
	}
	if err := Check("provider=aws tag_key=a tag_value=b region=c"); err != nil {
		t.Error(err)
	}
}

// A provider that does not answer is not waited for.
func TestSilentProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		all := fakes(func(map[string]string) ([]string, error) {
			<-release
			return nil, nil
		})
		begin := time.Now()
		_, err := find(t.Context(), all, "provider=fake", silent)
		if err == nil || err.Error() != "it did not answer within 2m0s" || time.Since(begin) != Timeout {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := find(ctx, all, "provider=fake", silent); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(release)
	})
}

func TestIs(t *testing.T) {
	for text, want := range map[string]bool{
		"provider=aws": true, "tag_key=a provider=aws": true, "10.0.0.1": false, "host.example:8301": false, "[::1]:8301": false,
	} {
		if Is(text) != want {
			t.Errorf("%s: %t", text, !want)
		}
	}
}

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"provider=aws secret_access_key=s3 access_key_id=id region=x": "provider=aws access_key_id=hidden region=x secret_access_key=hidden",
		"api_token=t provider=digitalocean":                           "provider=digitalocean api_token=hidden",
		`provider=aws secret_access_key="open`:                        "provider=...",
	} {
		if got := Redact(text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`provider=aws tag_key="a \"b" x=`)
	f.Fuzz(func(t *testing.T, text string) {
		if args, err := parse(text); err == nil {
			for key := range args {
				if key == "" {
					t.Error("an empty key")
				}
			}
		}
		Redact(text)
	})
}

// What is quoted comes out as it went in.
func TestParseProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOf(rapid.StringMatching(`[a-z_]{1,8}`), rapid.String()).Draw(t, "args")
		var words []string
		for k, v := range want {
			words = append(words, k+`="`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v)+`"`)
		}
		got, err := parse(strings.Join(words, " "))
		if err != nil || !maps.Equal(got, want) {
			t.Fatalf("%q, %v", got, err)
		}
	})
}

// cluster is a Kubernetes API with some pods, two at a time.
func cluster(t *testing.T, list string) *pods {
	t.Helper()
	var all podList
	if err := json.Unmarshal([]byte(list), &all); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch {
		case r.Header.Get("Authorization") != "Bearer who I am":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path != "/api/v1/namespaces/prod/pods" || q.Get("labelSelector") != "app=muster" || q.Get("fieldSelector") != "a=b":
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `{"message":"pods is forbidden"}`)
		case q.Get("continue") == "":
			json.NewEncoder(w).Encode(map[string]any{"metadata": map[string]any{"continue": "more"}, "items": all.Items[:2]})
		default:
			json.NewEncoder(w).Encode(map[string]any{"items": all.Items[2:]})
		}
	}))
	t.Cleanup(s.Close)
	account := t.TempDir()
	for name, text := range map[string]string{
		"token": "who I am\n", "ca.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})),
	} {
		if err := os.WriteFile(filepath.Join(account, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &pods{ctx: t.Context(), service: func() (*apiServer, error) { return openService(s.URL, account) }}
}

const somePods = `{"items": [
	{"metadata": {"name": "a"}, "status": {"phase": "Running", "podIP": "10.0.0.1", "hostIP": "192.168.0.1", "conditions": [{"type": "Ready", "status": "True"}]}},
	{"metadata": {"name": "not ready"}, "status": {"phase": "Running", "podIP": "10.0.0.2", "conditions": [{"type": "Ready", "status": "False"}]}},
	{"metadata": {"name": "gone"}, "status": {"phase": "Succeeded", "podIP": "10.0.0.3"}},
	{"metadata": {"name": "new"}, "status": {"phase": "Running"}},
	{"metadata": {"name": "named port", "annotations": {"consul.hashicorp.com/auto-join-port": "serf"}},
		"spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8500}, {"name": "serf", "containerPort": 8301, "hostPort": 9301}]}]},
		"status": {"phase": "Running", "podIP": "fd00::5", "hostIP": "192.168.0.5"}},
	{"metadata": {"name": "numbered port", "annotations": {"consul.hashicorp.com/auto-join-port": "8401"}},
		"status": {"phase": "Running", "podIP": "10.0.0.6", "hostIP": "192.168.0.6"}},
	{"metadata": {"name": "no such port", "annotations": {"consul.hashicorp.com/auto-join-port": "none"}},
		"status": {"phase": "Running", "podIP": "10.0.0.7", "hostIP": "192.168.0.7"}}
]}`

func TestPods(t *testing.T) {
	p := cluster(t, somePods)
	args := map[string]string{"namespace": "prod", "label_selector": "app=muster", "field_selector": "a=b"}
	got, err := p.Addrs(args, silent)
	if want := []string{"10.0.0.1", "[fd00::5]:8301", "10.0.0.6:8401"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	args["host_network"] = "true"
	got, err = p.Addrs(args, silent)
	if want := []string{"192.168.0.1", "192.168.0.5:9301"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("on hosts: %q, %v", got, err)
	}
	args["host_network"] = "maybe"
	if _, err := p.Addrs(args, silent); err == nil || err.Error() != `host_network must be true or false, was "maybe"` {
		t.Error(err)
	}
	if _, err := p.Addrs(nil, silent); err == nil || err.Error() != "list pods: the API of the cluster answers 403 Forbidden: pods is forbidden" {
		t.Error(err)
	}
}

func TestNoCluster(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if _, err := inCluster(); err == nil || !strings.Contains(err.Error(), "does not run in a pod") {
		t.Error(err)
	}
	if _, err := openService("https://x", t.TempDir()); err == nil || !strings.HasPrefix(err.Error(), "service account: ") {
		t.Error(err)
	}
}
