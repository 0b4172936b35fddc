package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

func writeString(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func testMeta() Meta {
	return Meta{
		Version: 1, ID: "2-72-1795349458095", Index: 72, Term: 2, Peers: []byte{1, 2},
		Configuration: json.RawMessage(`{"Servers":[]}`), ConfigurationIndex: 1,
	}
}

func TestWriteRead(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	want := strings.Repeat("state ", 100_000)
	var b bytes.Buffer
	if err := Write(&b, testMeta(), writeString(want)); err != nil {
		t.Fatal(err)
	}
	meta, state, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	wantMeta := testMeta()
	wantMeta.Size = int64(len(want))
	if fmt.Sprint(meta) != fmt.Sprint(wantMeta) {
		t.Errorf("read %+v, want %+v", meta, wantMeta)
	}
	got, err := io.ReadAll(state)
	if err != nil || string(got) != want || state.Size() != int64(len(want)) {
		t.Errorf("read %d bytes and %v, of %d", len(got), err, len(want))
	}
	if _, err := state.Seek(0, io.SeekStart); err != nil {
		t.Error(err)
	}
	if err := state.Close(); err != nil {
		t.Error(err)
	}
	noLeftovers(t)
}

func noLeftovers(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files were left: %v %v", left, err)
	}
}

func TestWriteFails(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	broken := errors.New("broken")
	var b bytes.Buffer
	err := Write(&b, testMeta(), func(io.Writer) error { return broken })
	if !errors.Is(err, broken) || b.Len() > 0 {
		t.Errorf("Write returned %v and wrote %d bytes", err, b.Len())
	}
	noLeftovers(t)
}

// TestOrigin reads an archive that Consul wrote.
func TestOrigin(t *testing.T) {
	f, err := os.Open("testdata/consul-1.10.snap")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	meta, state, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	defer state.Close()
	if meta.Index != 72 || meta.Term != 2 || meta.Size != 20563 || meta.ID != "2-72-1795349458095" {
		t.Errorf("read %+v", meta)
	}
	header, records, err := Records(state)
	if err != nil || header.LastIndex != 72 {
		t.Fatalf("header %+v, %v", header, err)
	}
	counts, size := map[byte]int{}, 12
	var keys []string
	for r, err := range records {
		if err != nil {
			t.Fatal(err)
		}
		counts[r.Type]++
		size += 1 + len(r.Data)
		if r.Type == 2 {
			var entry struct{ Key string }
			if err := r.Decode(&entry); err != nil {
				t.Fatal(err)
			}
			keys = append(keys, entry.Key)
		}
	}
	if size != 20563 {
		t.Errorf("records make %d bytes", size)
	}
	if len(keys) == 0 || counts[0] == 0 {
		t.Errorf("keys %q, counts %v", keys, counts)
	}
	t.Logf("counts %v, keys %q", counts, keys)
}

// file is a file of an archive that a test puts together.
type file struct{ name, data string }

func pack(files ...file) []byte {
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	packed := tar.NewWriter(zipped)
	for _, f := range files {
		packed.WriteHeader(&tar.Header{Name: f.name, Mode: 0o600, Size: int64(len(f.data))})
		io.WriteString(packed, f.data)
	}
	packed.Close()
	zipped.Close()
	return b.Bytes()
}

func sumOf(f file) string { return fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(f.data)), f.name) }

func TestReadRefuses(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	meta, state := file{metaName, `{"Version":1,"Size":5}`}, file{stateName, "state"}
	sums := file{sumsName, sumOf(meta) + sumOf(state)}
	good := pack(meta, state, sums)
	other := file{stateName, "stale"}
	short := file{stateName, "stat"}
	large := file{stateName, strings.Repeat("x", 2000)}
	broken := file{metaName, `{`}
	cut := bytes.Clone(good)
	cut[len(cut)-6] ^= 1 // in the checksum of the compression
	for _, test := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "failed to decompress snapshot: EOF"},
		{"too short", []byte("garbage\n"), "failed to decompress snapshot: unexpected EOF"},
		{"no gzip", []byte("garbage and more garbage"), "failed to decompress snapshot: gzip: invalid header"},
		{"cut off", good[:len(good)/2], "failed to read snapshot file: unexpected EOF"},
		{"checksum of gzip", cut, "failed to read snapshot file: gzip: invalid checksum"},
		{"empty archive", pack(), "failed to read snapshot file: meta.json is missing"},
		{"no state", pack(meta, sums), "failed to read snapshot file: state.bin is missing"},
		{"no sums", pack(meta, state), "failed to read snapshot file: SHA256SUMS is missing"},
		{"changed state", pack(meta, other, sums), `failed to read snapshot file: hash check failed for "state.bin"`},
		{"not listed", pack(meta, state, file{sumsName, sumOf(meta)}), "failed to read snapshot file: SHA256SUMS does not list all files"},
		{"unknown listed", pack(meta, state, file{sumsName, sums.data + sumOf(file{"x", ""})}), "unexpected line"},
		{"nonsense listed", pack(meta, state, file{sumsName, "nonsense"}), `unexpected line "nonsense" in SHA256SUMS`},
		{"twice", pack(meta, state, state, sums), "failed to read snapshot file: state.bin is there twice"},
		{"other file", pack(meta, state, file{"x", ""}, sums), `failed to read snapshot file: unexpected file "x"`},
		{"wrong size", pack(meta, short, file{sumsName, sumOf(meta) + sumOf(short)}), "failed to read snapshot file: state.bin has 4 bytes, not 5"},
		{"broken meta", pack(broken, state, sums), "failed to read snapshot file: meta.json: unexpected end of JSON input"},
		{"large state", pack(meta, large, sums), "failed to read snapshot file: state.bin: larger than 1000 bytes"},
		{"large sums", pack(meta, state, file{sumsName, strings.Repeat("x", maxSums+1)}), "failed to read snapshot file: SHA256SUMS: larger than 4096 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := read(bytes.NewReader(test.data), 1000)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
	if _, state, err := read(bytes.NewReader(good), 1000); err != nil {
		t.Error(err)
	} else {
		state.Close()
	}
	noLeftovers(t)
}

func TestRecordsBreakOff(t *testing.T) {
	whole := "\x81\xa9LastIndex\x07" + "\x02\x82\xa3Key\xa1k\xa5Value\xda\x00\x02vv"
	for n := range len(whole) {
		_, records, err := Records(strings.NewReader(whole[:n]))
		if err != nil {
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("at %d: %v", n, err)
			}
			continue
		}
		for _, rerr := range records {
			err = rerr
		}
		if header := len("\x81\xa9LastIndex\x07"); n > header && !errors.Is(err, io.ErrUnexpectedEOF) || n == header && err != nil {
			t.Errorf("at %d: %v", n, err)
		}
	}
}

func TestRecordsRefuse(t *testing.T) {
	for _, test := range []struct{ state, want string }{
		{"", "read header of state: unexpected EOF"},
		{"\xc1", "0xc1 does not begin a msgpack value"},
		{"\xdb\xff\xff\xff\xff", "value is larger than"},
		{"\xa1x", "decode header of state"},
		{"\xdf\xff\xff\xff\xff\x01", "read header of state: unexpected EOF"},
	} {
		if _, _, err := Records(strings.NewReader(test.state)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %s", test.state, err, test.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if err := Write(&b, testMeta(), writeString("state")); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("garbage"))
	meta := file{metaName, `{"Size":0}`}
	f.Add(pack(meta, file{stateName, ""}, file{sumsName, sumOf(meta)}))
	f.Fuzz(func(t *testing.T, data []byte) {
		meta, state, err := read(bytes.NewReader(data), 1<<20)
		if err != nil {
			return
		}
		defer state.Close()
		if n, err := io.Copy(io.Discard, state); err != nil || n != meta.Size {
			t.Errorf("state of %d bytes, %v, should be %d", n, err, meta.Size)
		}
	})
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte("\x81\xa9LastIndex\x07\x02\x82\xa3Key\xa1k\xa5Value\xda\x00\x02vv"))
	f.Add([]byte("\x80\x00\xdd\x00\x00\x00\x01\xcb01234567\x01\xc7\x01\x05x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, records, err := Records(bytes.NewReader(data))
		if err != nil {
			return
		}
		total := 0
		for r, err := range records {
			if err != nil {
				return
			}
			total += 1 + len(r.Data)
			var into any
			_ = r.Decode(&into)
		}
		if total > len(data) {
			t.Errorf("%d bytes of records in a state of %d", total, len(data))
		}
	})
}
