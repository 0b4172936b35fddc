package discover

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// google is Google's API with the machines of a project "p", in two pages, and
// the files of service accounts that may see them.
func googleAPI(t *testing.T) (*machines, func(project string) string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		if strings.Count(r.FormValue("assertion"), ".") != 2 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"access_token": "who I am", "token_type": "Bearer", "expires_in": 3600}`)
	})
	mux.HandleFunc("GET /compute/v1/projects/{project}/aggregated/instances", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer who I am":
			w.WriteHeader(http.StatusUnauthorized)
		case r.PathValue("project") != "p":
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `{"error": {"code": 403, "message": "Required 'compute.instances.list' permission"}}`)
		case r.FormValue("pageToken") == "":
			io.WriteString(w, `{"nextPageToken": "more", "items": {
				"zones/us-west1-b": {"instances": [
					{"status": "RUNNING", "tags": {"items": ["x", "muster"]}, "networkInterfaces": [{"networkIP": "10.0.0.2"}, {"networkIP": "10.9.0.2"}]},
					{"status": "TERMINATED", "tags": {"items": ["muster"]}, "networkInterfaces": [{"networkIP": "10.0.0.3"}]},
					{"status": "RUNNING", "tags": {"items": ["other"]}, "networkInterfaces": [{"networkIP": "10.0.0.4"}]},
					{"status": "RUNNING", "tags": {"items": ["muster"]}}]},
				"zones/us-west1-a": {"instances": [{"status": "RUNNING", "tags": {"items": ["muster"]}, "networkInterfaces": [{"networkIP": "10.0.0.1"}]}]}}}`)
		default:
			io.WriteString(w, `{"items": {
				"zones/us-west10-a": {"instances": [{"status": "RUNNING", "tags": {"items": ["muster"]}, "networkInterfaces": [{"networkIP": "10.0.1.1"}]}]},
				"zones/empty": {"warning": {"code": "NO_RESULTS_ON_PAGE"}}}}`)
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	account := func(project string) string {
		text, err := json.Marshal(map[string]string{
			"type": "service_account", "project_id": project, "private_key_id": "k", "client_email": "agent@example.com",
			"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": s.URL + "/token",
		})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "account"+project+".json")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return &machines{ctx: t.Context(), api: s.URL + "/compute/v1"}, account
}

func TestMachines(t *testing.T) {
	m, account := googleAPI(t)
	for _, test := range []struct {
		pattern, project string
		want             []string
	}{
		{"", "", []string{"10.0.0.1", "10.0.0.2", "10.0.1.1"}},
		{"us-west1-.*", "", []string{"10.0.0.1", "10.0.0.2"}},
		{"us-west1", "", nil}, // the whole name
		{"", "p", []string{"10.0.0.1", "10.0.0.2", "10.0.1.1"}},
	} {
		file := account("p")
		if test.project != "" {
			file = account("")
		}
		got, err := m.Addrs(map[string]string{"tag_value": "muster", "credentials_file": file, "zone_pattern": test.pattern, "project_name": test.project}, silent)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("zones %q: %q, %v", test.pattern, got, err)
		}
	}
}

func TestMachinesErrors(t *testing.T) {
	m, account := googleAPI(t)
	wrong := filepath.Join(t.TempDir(), "wrong.json")
	if err := os.WriteFile(wrong, []byte(`{"type": "authorized_user"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", wrong+".missing")
	for want, args := range map[string]map[string]string{
		`list machines of project "q": the API answers 403 Forbidden: Required 'compute.instances.list' permission`: {"credentials_file": account("q")},
		"the credentials do not say which project: set project_name":                                                {"credentials_file": account("")},
		"zone_pattern: error parsing regexp":                                                                        {"zone_pattern": "("},
		"credentials_file: open ":                                                                                   {"credentials_file": wrong + ".missing"},
		"credentials_file " + wrong + ": ":                                                                          {"credentials_file": wrong},
		"no credentials for Google's cloud: set credentials_file, or run on a machine there: ":                      {},
	} {
		if _, err := m.Addrs(args, silent); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v: %v, want %s", args, err, want)
		}
	}
}
