package local

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"regexp"
	"runtime"
)

// A journal holds changes of files that are not made yet. A record is
//
//	length of the rest (32 bits, little endian) · CRC-32C of the rest ·
//	length of the name (8 bits) · name · content
//
// where no content at all means that the file is to go. A record that was cut
// off by a crash ends the journal.
const (
	recordHead = 8
	recordMax  = 16 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fileName is what a journal may change.
var fileName = regexp.MustCompile(`^(services|checks|checks/state)/([0-9a-f]{32}|[0-9a-f]{64})$`)

func appendRecord(b []byte, name string, content []byte) []byte {
	head := len(b)
	b = append(b, make([]byte, recordHead)...)
	b = append(b, byte(len(name)))
	b = append(b, name...)
	b = append(b, content...)
	rest := b[head+recordHead:]
	binary.LittleEndian.PutUint32(b[head:], uint32(len(rest)))
	binary.LittleEndian.PutUint32(b[head+4:], crc32.Checksum(rest, castagnoli))
	return b
}

// readJournal calls f for each whole record. The contents are part of b. It
// returns how many bytes they take; more in b is of no use.
func readJournal(b []byte, f func(name string, content []byte)) (good int) {
	for {
		rest := b[good:]
		if len(rest) < recordHead {
			return good
		}
		n := int(binary.LittleEndian.Uint32(rest))
		if n < 1 || n > recordMax || len(rest) < recordHead+n {
			return good
		}
		body := rest[recordHead : recordHead+n]
		if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(rest[4:]) {
			return good
		}
		name := int(body[0])
		if 1+name > len(body) || !fileName.Match(body[1:1+name]) {
			return good
		}
		f(string(body[1:1+name]), body[1+name:])
		good += recordHead + n
	}
}

// A journalFile is a journal that is being written.
type journalFile struct {
	f    *os.File
	size int64 // of what was written whole
}

// openJournal begins a new journal.
func openJournal(path string) (*journalFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &journalFile{f: f}, nil
}

// append writes records, all or none.
func (j *journalFile) append(records []byte) error {
	if _, err := j.f.WriteAt(records, j.size); err != nil {
		return errors.Join(err, j.f.Truncate(j.size))
	}
	j.size += int64(len(records))
	return nil
}

// writeFile replaces a file as a whole or leaves it as it is. With sync it
// returns when the content would outlive a crash; the name would once the
// folder is synced, too.
func writeFile(path string, content []byte, sync bool) error {
	tmp := path + tmpSuffix
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, bytes.NewReader(content))
	if err == nil && sync {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

// syncDir makes the names in a folder outlive a crash, where a folder can be
// synced.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = errors.Join(d.Sync(), d.Close())
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}
