package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Write writes an archive of the state that the function writes. The state
// goes through a temporary file, because its size comes before it; nothing is
// written to w if the function fails.
func Write(w io.Writer, meta Meta, state func(io.Writer) error) (err error) {
	spool, err := newState()
	if err != nil {
		return fmt.Errorf("create snapshot file: %w", err)
	}
	defer spool.Close()
	stateSum := sha256.New()
	counted := &countingWriter{to: io.MultiWriter(spool.file, stateSum)}
	if err := state(counted); err != nil {
		return fmt.Errorf("write snapshot state: %w", err)
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("rewind snapshot state: %w", err)
	}
	meta.Size = counted.n
	encoded, err := json.Marshal(meta)
	if err != nil {
		return fmt.Errorf("encode snapshot description: %w", err)
	}
	encoded = append(encoded, '\n')
	sums := fmt.Appendf(nil, "%x  %s\n%x  %s\n", sha256.Sum256(encoded), metaName, stateSum.Sum(nil), stateName)

	zipped := gzip.NewWriter(w)
	packed := tar.NewWriter(zipped)
	now := time.Now()
	for _, f := range []struct {
		name string
		size int64
		from io.Reader
	}{
		{metaName, int64(len(encoded)), bytes.NewReader(encoded)},
		{stateName, meta.Size, spool},
		{sumsName, int64(len(sums)), bytes.NewReader(sums)},
	} {
		header := &tar.Header{Name: f.name, Mode: 0o600, Size: f.size, ModTime: now}
		if err := packed.WriteHeader(header); err != nil {
			return fmt.Errorf("write header of %s: %w", f.name, err)
		}
		if _, err := io.CopyN(packed, f.from, f.size); err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
	}
	if err := packed.Close(); err != nil {
		return fmt.Errorf("end archive: %w", err)
	}
	if err := zipped.Close(); err != nil {
		return fmt.Errorf("end compression: %w", err)
	}
	return nil
}

type countingWriter struct {
	to io.Writer
	n  int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	return n, err
}
