// Package ui is the web page: files that are built from the sources beside it
// (see README.md) and embedded, so that building muster needs no Node. The
// page is an ordinary client of /v1.
package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"

	"muster/internal/accept"
)

//go:embed all:dist
var dist embed.FS

const (
	index = "index.html"
	// base is the place of the page as the build wrote it; Handler puts the
	// configured one there.
	base = `<base href="/ui/"`
	// The build names files below assets/ by a hash of their content.
	assets = "assets/"
	// maxFile bounds the size of a file of somebody else's page, in bytes.
	maxFile = 16 << 20
)

// policy lets the page load only what the agent serves. Svelte makes elements
// from the templates of the bundle under the name below; nothing else may turn
// text into markup.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types svelte-trusted-html"

// page serves the files below a path.
type page struct {
	files fs.FS
	at    string
	// fixed: the files cannot change while the agent runs, and are kept.
	fixed bool

	mu   sync.Mutex
	kept map[string]*file // by name; guarded by mu
}

// file is a file as it is sent.
type file struct {
	plain, gzipped []byte // gzipped is nil if it is no smaller
	kind, tag      string
}

// Handler serves the page below a path that begins and ends with a slash: the
// built-in one, or with dir that of a folder, whose files are read anew at
// every request. Paths that are not files lead to the page, which reads them.
// It fails if the page has no index.html.
func Handler(at, dir string) (http.Handler, error) {
	if dir == "" {
		files, err := fs.Sub(dist, "dist")
		if err != nil {
			return nil, err
		}
		return newPage(files, at, true)
	}
	root, err := os.OpenRoot(dir) // no way out by links
	if err != nil {
		return nil, fmt.Errorf("open the folder of the page: %w", err)
	}
	return newPage(root.FS(), at, false)
}

func newPage(files fs.FS, at string, fixed bool) (*page, error) {
	p := &page{files: files, at: at, fixed: fixed, kept: map[string]*file{}}
	if _, err := p.load(index); err != nil {
		return nil, fmt.Errorf("open the page: %w", err)
	}
	return p, nil
}

// ServeHTTP answers one request for the page or a file of it.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if h.Get("Content-Security-Policy") == "" { // unless the operator has set one
		h.Set("Content-Security-Policy", policy)
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET,HEAD")
		http.Error(w, "method "+r.Method+" not allowed", http.StatusMethodNotAllowed)
		return
	}
	name, inside := strings.CutPrefix(r.URL.Path, p.at)
	if !inside { // the path without its last slash
		http.Redirect(w, r, p.at, http.StatusMovedPermanently)
		return
	}
	if name == "" {
		name = index
	}
	f, err := p.load(name)
	if err != nil && !strings.HasPrefix(name, assets) {
		name = index
		f, err = p.load(name)
	}
	if err != nil {
		http.NotFound(w, r)
		return
	}
	h.Set("Cache-Control", "no-cache") // kept, and asked for by its tag
	if p.fixed && strings.HasPrefix(name, assets) {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	f.send(w, r)
}

// send writes a file, or that the browser has it already.
func (f *file) send(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Type", f.kind)
	body, tag := f.plain, f.tag
	if f.gzipped != nil && accept.Gzip(r.Header["Accept-Encoding"]) {
		h.Set("Content-Encoding", "gzip")
		body, tag = f.gzipped, f.tag+"-gz"
	}
	h.Set("ETag", `"`+tag+`"`)
	if strings.Contains(r.Header.Get("If-None-Match"), `"`+tag+`"`) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

// load reads a file and prepares it for sending, for files that cannot change
// once.
func (p *page) load(name string) (*file, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.kept[name]; f != nil {
		return f, nil
	}
	f, err := p.read(name)
	if err == nil && p.fixed {
		p.kept[name] = f
	}
	return f, err
}

func (p *page) read(name string) (*file, error) {
	info, err := fs.Stat(p.files, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s: not a file of at most %d bytes", name, maxFile)
	}
	data, err := fs.ReadFile(p.files, name)
	if err != nil {
		return nil, err
	}
	if name == index {
		data = bytes.Replace(data, []byte(base), []byte(`<base href="`+p.at+`"`), 1)
	}
	sum := sha256.Sum256(data)
	f := &file{plain: data, kind: kindOf(name), tag: hex.EncodeToString(sum[:12])}
	if p.fixed && len(data) > 1024 {
		f.gzipped = squeeze(data)
	}
	return f, nil
}

// kindOf is the Content-Type of a file. The common ones do not depend on the
// machine's own table.
func kindOf(name string) string {
	switch ext := path.Ext(name); ext {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		if kind := mime.TypeByExtension(ext); kind != "" {
			return kind
		}
		return "application/octet-stream"
	}
}

// squeeze compresses, or returns nil where that does not help.
func squeeze(data []byte) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil
	}
	if _, err := z.Write(data); err != nil || z.Close() != nil || b.Len() >= len(data) {
		return nil
	}
	return b.Bytes()
}
