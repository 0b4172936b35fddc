package local

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"regexp"
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
