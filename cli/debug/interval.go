package debug

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"muster/cli/command"
)

const (
	// traceSeconds is how long the scheduler is traced in each interval:
	// traces are large.
	traceSeconds = 1
	// profileGrace is how long a profile may take to arrive after its time.
	profileGrace = 10 * time.Second
)

// interval captures everything that is wanted at once. It takes as long as
// the interval, unless the context ends.
func (r *recorder) interval(ctx context.Context, dir string, length time.Duration) {
	timed, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	late, cancelLate := context.WithTimeout(ctx, length+profileGrace)
	defer cancelLate()

	type failure struct {
		what string
		err  error
	}
	failures := make(chan failure)
	var running sync.WaitGroup
	capture := func(target, name string, do func(io.Writer) error) {
		if !r.wants(target) {
			return
		}
		running.Go(func() {
			if err := writeFile(filepath.Join(r.dir, dir, name), do); err != nil {
				failures <- failure{name, err}
			}
		})
	}
	profiles := r.client.Debug()
	capture("metrics", "metrics.json", r.metrics)
	capture("logs", "consul.log", func(w io.Writer) error { return r.logs(timed, w) })
	capture("pprof", "goroutine.prof", ready(profiles.Goroutine))
	capture("pprof", "heap.prof", ready(profiles.Heap))
	capture("pprof", "profile.prof", func(w io.Writer) error {
		return r.profile(late, w, "profile", int(length/time.Second))
	})
	capture("pprof", "trace.out", func(w io.Writer) error { return r.profile(late, w, "trace", traceSeconds) })
	go func() {
		running.Wait()
		close(failures)
	}()
	for f := range failures {
		r.report(f.what, f.err)
	}
	<-timed.Done()
}

// ready captures what the agent has at hand.
func ready(get func() ([]byte, error)) func(io.Writer) error {
	return func(w io.Writer) error {
		data, err := get()
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	}
}

// profile captures what the agent needs some seconds for.
func (r *recorder) profile(ctx context.Context, w io.Writer, name string, seconds int) error {
	body, err := r.client.Debug().PProf(ctx, name, seconds)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(w, body)
	return err
}

func (r *recorder) metrics(w io.Writer) error {
	metrics, err := r.client.Agent().Metrics()
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(metrics)
}

// logs captures the log, at its finest, until the context ends.
func (r *recorder) logs(ctx context.Context, w io.Writer) error {
	var failed error
	err := command.Logs(ctx, r.client.Agent(), "TRACE", false, func(line string) {
		if failed == nil {
			_, failed = io.WriteString(w, line+"\n")
		}
	})
	if err == nil {
		err = failed
	}
	return err
}

func writeFile(path string, do func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = do(file)
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	return err
}

// pack makes a compressed file of the directory. The names in it begin with
// that of the directory.
func pack(dir, result string) error {
	return writeFile(result, func(w io.Writer) error {
		zipped := gzip.NewWriter(w)
		packed := tar.NewWriter(zipped)
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name, err := filepath.Rel(filepath.Dir(dir), path)
			if err != nil {
				return err
			}
			return add(packed, path, filepath.ToSlash(name), entry)
		})
		if err != nil {
			return err
		}
		if err := packed.Close(); err != nil {
			return err
		}
		return zipped.Close()
	})
}

func add(packed *tar.Writer, path, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	header, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return err
	}
	if header.Name = name; entry.IsDir() {
		header.Name += "/"
	}
	if err := packed.WriteHeader(header); err != nil || entry.IsDir() {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(packed, file)
	return err
}
