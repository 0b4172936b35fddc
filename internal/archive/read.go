package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
)

// Read reads an archive to its end and verifies it: every file is there once,
// every checksum is right, and the state is as long as the description says.
// The caller closes the state. The errors are those that the HTTP API shows:
// "failed to decompress snapshot: ..." where it is no gzip, and "failed to
// read snapshot file: ..." for everything after that.
func Read(r io.Reader) (Meta, *State, error) {
	return read(r, MaxState)
}

func read(r io.Reader, maxState int64) (Meta, *State, error) {
	unzipped, err := gzip.NewReader(bufio.NewReader(r))
	if err != nil {
		return Meta{}, nil, fmt.Errorf("failed to decompress snapshot: %w", err)
	}
	defer unzipped.Close()
	state, err := newState()
	if err != nil {
		return Meta{}, nil, fmt.Errorf("create snapshot file: %w", err)
	}
	u := &unpacker{state: state, maxState: maxState, sums: map[string]hash.Hash{}}
	if err := u.unpack(unzipped); err != nil {
		state.Close()
		return Meta{}, nil, fmt.Errorf("failed to read snapshot file: %w", err)
	}
	return u.meta, state, nil
}

type unpacker struct {
	meta     Meta
	state    *State
	maxState int64
	listed   []byte
	sums     map[string]hash.Hash
}

func (u *unpacker) unpack(r io.Reader) error {
	packed := tar.NewReader(r)
	for {
		header, err := packed.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := u.file(header, packed); err != nil {
			return err
		}
	}
	// What follows the archive is zeros, if anything; reading to the end has
	// the checksum of the compression verified.
	const maxRest = 1 << 20
	if n, err := io.Copy(io.Discard, io.LimitReader(r, maxRest)); err != nil {
		return err
	} else if n == maxRest {
		return errors.New("data follows the archive")
	}
	return u.verify()
}

func (u *unpacker) file(header *tar.Header, r io.Reader) error {
	if u.sums[header.Name] != nil {
		return fmt.Errorf("%s is there twice", header.Name)
	}
	sum := sha256.New()
	u.sums[header.Name] = sum
	r = io.TeeReader(r, sum)
	var err error
	switch header.Name {
	case metaName:
		var encoded []byte
		if encoded, err = readAll(r, header, maxMeta); err == nil {
			err = json.Unmarshal(encoded, &u.meta)
		}
	case stateName:
		if header.Size > u.maxState {
			err = tooLarge(u.maxState)
		} else if u.state.size, err = io.Copy(u.state.file, r); err == nil {
			_, err = u.state.Seek(0, io.SeekStart)
		}
	case sumsName:
		u.listed, err = readAll(r, header, maxSums)
	default:
		return fmt.Errorf("unexpected file %q", header.Name)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", header.Name, err)
	}
	return nil
}

func readAll(r io.Reader, header *tar.Header, limit int64) ([]byte, error) {
	if header.Size > limit {
		return nil, tooLarge(limit)
	}
	return io.ReadAll(r)
}

func tooLarge(limit int64) error { return fmt.Errorf("larger than %d bytes", limit) }

// verify compares the checksums with those listed. The list itself has none.
func (u *unpacker) verify() error {
	for _, name := range []string{metaName, stateName, sumsName} {
		if u.sums[name] == nil {
			return fmt.Errorf("%s is missing", name)
		}
	}
	matched := map[string]bool{}
	for line := range bytes.Lines(u.listed) {
		listed, name, ok := strings.Cut(strings.TrimRight(string(line), "\r\n"), "  ")
		if !ok || name == sumsName || u.sums[name] == nil {
			return fmt.Errorf("unexpected line %q in %s", line, sumsName)
		}
		if hex.EncodeToString(u.sums[name].Sum(nil)) != listed {
			return fmt.Errorf("hash check failed for %q", name)
		}
		matched[name] = true
	}
	if !matched[metaName] || !matched[stateName] {
		return fmt.Errorf("%s does not list all files", sumsName)
	}
	if u.meta.Size != u.state.size {
		return fmt.Errorf("%s has %d bytes, not %d", stateName, u.state.size, u.meta.Size)
	}
	return nil
}
