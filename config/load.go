package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	sockaddr "github.com/hashicorp/go-sockaddr/template"

	"muster/config/syntax"
)

// Host is what Load may ask of the machine. All fields are needed.
type Host struct {
	Hostname func() (string, error)
	// Addrs are the addresses of all interfaces.
	Addrs func() ([]netip.Addr, error)
	// Template evaluates a go-sockaddr template such as {{ GetInterfaceIP "eth0" }}.
	Template func(string) (string, error)
	Getenv   func(string) string
	ReadFile func(string) ([]byte, error)
	ReadDir  func(string) ([]fs.DirEntry, error)
	Stat     func(string) (fs.FileInfo, error)
}

// SystemHost is this machine.
func SystemHost() Host {
	return Host{
		Hostname: os.Hostname, Addrs: interfaceAddrs, Template: sockaddr.Parse, Getenv: os.Getenv,
		ReadFile: os.ReadFile, ReadDir: os.ReadDir, Stat: os.Stat,
	}
}

func interfaceAddrs() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, ip.Unmap())
			}
		}
	}
	return out, nil
}

// LoadOptions are the arguments of Load.
type LoadOptions struct {
	// Flags are the agent's parsed flags with the files and fragments that
	// they name; nil is the same as none.
	Flags *Flags
	Host  Host
	// Offline: nothing is found out about the network; addresses that depend
	// on it stay invalid. For checking the files of another machine.
	Offline bool
}

// Load reads and merges all sources, in this order, later ones winning: defaults,
// those of -dev, flags that take lists, files in the order of the command line,
// the other flags, -hcl fragments. It returns the warnings also with an error.
// Errors carry the exact texts of the original.
func Load(opts LoadOptions) (*Config, []string, error) {
	return newLoader(opts).load(opts.Offline)
}

func newLoader(opts LoadOptions) *loader {
	l := &loader{host: opts.Host, flags: opts.Flags, options: Options()}
	if l.flags == nil {
		l.flags = &Flags{}
	}
	return l
}

func (l *loader) load(offline bool) (*Config, []string, error) {
	v, err := l.merge()
	if err != nil {
		return nil, l.warnings, err
	}
	b := &builder{values: v, host: l.host, offline: offline}
	c, err := b.build()
	c.Sources = l.flags.Files
	warnings := append(append(l.warnings, v.idleWarnings()...), b.warnings...)
	if err != nil {
		return nil, warnings, err
	}
	more, err := check(c, v, l.host)
	warnings = append(warnings, more...)
	if err != nil {
		return nil, warnings, err
	}
	return c, warnings, nil
}

// Validate checks files and folders as an agent would that is started with
// them alone. format is "", "hcl" or "json". places are the lines where the
// settings are that the error is about, as far as it is about settings:
// "file:line: key".
func Validate(paths []string, format string) (warnings, places []string, err error) {
	l := newLoader(LoadOptions{Flags: &Flags{Files: paths, Format: format}, Host: SystemHost()})
	_, warnings, err = l.load(true)
	return warnings, l.places(err), err
}

type loader struct {
	host     Host
	flags    *Flags
	options  []Option
	warnings []string
	warned   map[string]bool
	read     []source // files
	bad      []string // keys of the last source read that were refused
}

// warn adds a warning, once.
func (l *loader) warn(format string, args ...any) {
	w := fmt.Sprintf(format, args...)
	if l.warned == nil {
		l.warned = map[string]bool{}
	}
	if !l.warned[w] {
		l.warned[w] = true
		l.warnings = append(l.warnings, w)
	}
}

func (l *loader) merge() (*values, error) {
	format := l.flags.Format
	if format != "" && format != "hcl" && format != "json" {
		return nil, errors.New("config: -config-format must be either 'hcl' or 'json'")
	}
	sources, err := l.sources()
	if err != nil {
		return nil, err
	}
	s := newSchema(l.options, false)
	v := newValues(l.options, l.flags.Dev)
	lists, scalars, err := l.flags.layers(v.rows)
	if err != nil {
		return nil, err
	}
	v.overlay(lists)
	for _, src := range sources {
		if err := l.decode(s, v, src); err != nil {
			return nil, err
		}
	}
	v.overlay(scalars)
	for i, text := range l.flags.HCL {
		src := source{name: fmt.Sprintf("flags-%d.hcl", i), format: "hcl", text: []byte(text)}
		if err := l.decode(s, v, src); err != nil {
			return nil, err
		}
	}
	if token := l.host.Getenv("CONSUL_INTRO_TOKEN"); token != "" && !v.isSet("auto_config.intro_token") {
		v.put("auto_config.intro_token", token)
	}
	return v, nil
}

func (l *loader) decode(s *schema, v *values, src source) error {
	l.read = append(l.read, src)
	t, err := syntax.Parse(src.text, src.format)
	if err != nil {
		return fmt.Errorf("failed to parse %s: %w", src.name, err)
	}
	layer, keys, err := decodeLayer(s, t)
	if err != nil {
		l.bad = keys
		return fmt.Errorf("failed to parse %s: %w", src.name, err)
	}
	for _, o := range layer.spelt {
		switch {
		case o.Removed:
			l.warn("config key %q is deprecated and should be removed", o.Key)
		case o.Deprecated:
			l.warn("The '%s' field is deprecated. Use the '%s' field instead.", o.Key, o.For)
		}
	}
	for _, w := range layer.ignored {
		l.warn("%s", w)
	}
	v.overlay(layer)
	return nil
}

// places are the lines that an error of load is about. Other errors than those
// of a single source begin with the key of an option; the last source to set it
// is the one that counts.
func (l *loader) places(err error) (all []string) {
	if err == nil {
		return nil
	}
	add := func(src source, key string) bool {
		line := syntax.Line(src.text, src.format, key)
		if line > 0 {
			all = append(all, fmt.Sprintf("%s:%d: %s", src.name, line, key))
		}
		return line > 0
	}
	for _, key := range l.bad {
		add(l.read[len(l.read)-1], key)
	}
	for text := range strings.Lines(err.Error()) {
		key, _, _ := strings.Cut(strings.TrimPrefix(text, "\t* "), " ")
		key = strings.Trim(key, ":\"'\n")
		if !slices.ContainsFunc(l.options, func(o Option) bool { return o.Key == key }) {
			continue
		}
		for _, src := range slices.Backward(l.read) {
			if add(src, key) {
				break
			}
		}
	}
	return all
}

// source is one text to read.
type source struct {
	name   string
	format string
	text   []byte
}

func (l *loader) sources() ([]source, error) {
	var all []source
	for _, path := range l.flags.Files {
		got, err := l.open(path)
		if err != nil {
			return nil, err
		}
		all = append(all, got...)
	}
	return all, nil
}

// open reads a file, or the files of a folder in the order of their names.
func (l *loader) open(path string) ([]source, error) {
	info, err := l.host.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("config: Open failed on %s. %w", path, asOpen(err))
	}
	if !info.IsDir() {
		return l.file(path)
	}
	entries, err := l.host.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("config: Readdir failed on %s. %w", path, err)
	}
	var all []source
	for _, e := range entries { // ReadDir sorts by name
		name := filepath.Join(path, e.Name())
		info, err := l.host.Stat(name) // follows links, which is how Kubernetes mounts files
		if err != nil {
			return nil, fmt.Errorf("config: Open failed on %s. %w", name, asOpen(err))
		}
		if info.IsDir() {
			continue
		}
		got, err := l.file(name)
		if err != nil {
			return nil, err
		}
		all = append(all, got...)
	}
	return all, nil
}

// asOpen names the operation as if the file had been opened without a look first.
func asOpen(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return &fs.PathError{Op: "open", Path: p.Path, Err: p.Err}
	}
	return err
}

func (l *loader) file(path string) ([]source, error) {
	format := l.flags.Format
	if format == "" {
		switch strings.ToLower(filepath.Ext(path)) {
		case ".json":
			format = "json"
		case ".hcl":
			format = "hcl"
		default:
			l.warn("skipping file %s, extension must be .hcl or .json, or config format must be set", path)
			return nil, nil
		}
	}
	text, err := l.host.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: ReadFile failed on %s: %w", path, err)
	}
	return []source{{name: path, format: format, text: text}}, nil
}

// idleWarnings names the options that were set and have no effect.
func (v *values) idleWarnings() []string {
	var all []string
	for _, key := range sortedKeys(v.said) {
		row := v.rows[key]
		if row == nil {
			continue
		}
		for _, g := range []string{"audit", "cloud", "reporting"} { // one warning for all of them
			if strings.HasPrefix(key, g+".") {
				key = g
			}
		}
		if w := ignored(key, row, v.said[row.Key]); w != "" && !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}
