package check

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"muster/internal/process"
	"muster/model"
)

const (
	dockerDefault = "unix:///var/run/docker.sock"
	// dockerAnswerMax bounds what is read of Docker's own answers, in bytes.
	dockerAnswerMax = 64 << 10
	// dockerOutputMax bounds what is read of the output of a check.
	dockerOutputMax = 16 << 20
)

// docker speaks the few words of Docker's HTTP API that a check needs.
type docker struct {
	client http.Client
	base   string // http://host, without a version: any API will do
}

func newDocker(opt *Options) (*docker, error) {
	host := opt.DockerHost
	if host == "" {
		host = dockerDefault
	}
	u, err := url.Parse(host)
	if err != nil {
		return nil, fmt.Errorf("docker host: %w", err)
	}
	t := &http.Transport{DialContext: opt.Dial, TLSClientConfig: opt.DockerTLS, IdleConnTimeout: time.Minute}
	d := &docker{client: http.Client{Transport: t}}
	switch u.Scheme {
	case "unix":
		path := u.Path
		d.base = "http://docker"
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return opt.Dial(ctx, "unix", path) }
	case "tcp":
		d.base = "http://" + u.Host
		if opt.DockerTLS != nil {
			d.base = "https://" + u.Host
		}
	case "http", "https":
		d.base = u.Scheme + "://" + u.Host
	default:
		return nil, fmt.Errorf("docker host %q: unknown scheme", host)
	}
	return d, nil
}

// call sends a request and decodes the answer into out. The error repeats what
// Docker says.
func (d *docker) call(ctx context.Context, method, path string, in, out any) error {
	resp, err := d.do(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(io.LimitReader(resp.Body, dockerAnswerMax)).Decode(out)
}

func (d *docker) do(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, d.base+path, &body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
	var said struct{ Message string }
	if json.Unmarshal(text, &said) == nil && said.Message != "" {
		text = []byte(said.Message)
	}
	return nil, fmt.Errorf("docker: %s: %s", resp.Status, strings.TrimSpace(string(text)))
}

// dockerProbe runs a program inside a container, with the exit codes of a
// script.
type dockerProbe struct {
	noState
	docker    *docker
	container string
	command   []string
	outputMax int
}

func (d *docker) newProbe(spec *Spec) (*dockerProbe, error) {
	def := spec.Def
	p := &dockerProbe{docker: d, container: def.DockerContainerID, command: def.Command(), outputMax: spec.OutputMaxSize}
	// The shell is for a command line; a list of arguments is run as it is.
	if def.Shell != "" && len(def.ScriptArgs) == 0 && len(def.Args) == 0 && def.Script != "" {
		p.command = []string{def.Shell, "-c", def.Script}
	}
	if len(p.command) == 0 {
		return nil, model.Errorf(model.BadRequest, "Invalid check: a Docker check needs Args")
	}
	return p, nil
}

func (p *dockerProbe) probe(ctx context.Context) (status, output string) {
	out := &process.Tail{Max: p.outputMax}
	code, err := p.exec(ctx, out)
	switch {
	case err != nil:
		return model.HealthCritical, err.Error()
	case code == 0:
		return model.HealthPassing, out.Report()
	case code == 1:
		return model.HealthWarning, out.Report()
	}
	return model.HealthCritical, out.Report()
}

func (p *dockerProbe) exec(ctx context.Context, out io.Writer) (exitCode int, err error) {
	var created struct{ ID string }
	err = p.docker.call(ctx, http.MethodPost, "/containers/"+url.PathEscape(p.container)+"/exec", map[string]any{
		"AttachStdout": true, "AttachStderr": true, "Cmd": p.command,
	}, &created)
	if err != nil {
		return 0, fmt.Errorf("create exec: %w", err)
	}
	path := "/exec/" + url.PathEscape(created.ID)
	resp, err := p.docker.do(ctx, http.MethodPost, path+"/start", map[string]any{"Detach": false, "Tty": false})
	if err != nil {
		return 0, fmt.Errorf("start exec: %w", err)
	}
	err = demultiplex(out, io.LimitReader(resp.Body, dockerOutputMax))
	resp.Body.Close()
	if err != nil {
		return 0, fmt.Errorf("read exec: %w", err)
	}
	var state struct {
		Running  bool
		ExitCode int
	}
	if err := p.docker.call(ctx, http.MethodGet, path+"/json", nil, &state); err != nil {
		return 0, fmt.Errorf("inspect exec: %w", err)
	}
	if state.Running {
		return 0, fmt.Errorf("inspect exec: the program closed its output but still runs")
	}
	return state.ExitCode, nil
}

// demultiplex copies what Docker sends of the output and the errors of a
// program: frames of a byte that tells which, three zeros, the length (32 bits,
// big endian), and the bytes. It stops where the stream does.
func demultiplex(w io.Writer, r io.Reader) error {
	var head [8]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		n := int64(binary.BigEndian.Uint32(head[4:]))
		copied, err := io.CopyN(w, r, n)
		if err != nil && (err != io.EOF || copied == n) {
			return err
		}
		if copied < n {
			return io.ErrUnexpectedEOF
		}
	}
}
