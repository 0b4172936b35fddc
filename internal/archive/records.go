package archive

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// maxRecord bounds the size in bytes of one record.
const maxRecord = 1 << 30

// Record is one entry of a state: a table's row, in msgpack.
type Record struct {
	// Type says which table. Those from 128 on may be ignored by a reader that
	// does not know them.
	Type byte
	// Data is the row. It is overwritten by the next record.
	Data []byte
}

// Decode decodes the row. Text and bytes are the same in it; into an empty
// interface both become strings, and maps have texts for keys.
func (r Record) Decode(into any) error {
	handle := &codec.MsgpackHandle{}
	handle.RawToString = true
	handle.MapType = reflect.TypeFor[map[string]any]()
	return codec.NewDecoderBytes(r.Data, handle).Decode(into)
}

// Header begins a state.
type Header struct {
	// LastIndex is the index of the last log entry that the state holds.
	LastIndex uint64
}

// Records walks over a state in the format of Consul: a header, and then for
// each record a byte for its type and one msgpack value. The walk ends with
// the first error, which is io.ErrUnexpectedEOF where the state breaks off.
func Records(state io.Reader) (Header, iter.Seq2[Record, error], error) {
	v := &valueReader{from: bufio.NewReader(state)}
	data, err := v.next()
	if err != nil {
		return Header{}, nil, fmt.Errorf("read header of state: %w", err)
	}
	var header Header
	if err := (Record{Data: data}).Decode(&header); err != nil {
		return Header{}, nil, fmt.Errorf("decode header of state: %w", err)
	}
	return header, func(yield func(Record, error) bool) {
		for {
			kind, err := v.from.ReadByte()
			if errors.Is(err, io.EOF) {
				return
			}
			r := Record{Type: kind}
			if err == nil {
				r.Data, err = v.next()
			}
			if err != nil {
				yield(Record{Type: kind}, fmt.Errorf("read record of type %d: %w", kind, err))
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}, nil
}

// valueReader cuts a stream of msgpack into values without decoding them. It
// needs as much memory as the largest value, whatever lengths the stream
// claims.
type valueReader struct {
	from  *bufio.Reader
	value []byte
}

// next reads one whole value. It is valid until the next call.
func (v *valueReader) next() ([]byte, error) {
	v.value = v.value[:0]
	for pending := uint64(1); pending > 0; pending-- {
		inside, err := v.item()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		pending += inside
	}
	return v.value, nil
}

// item reads a number, a text or the like whole, and of a list or a map only
// the head. It returns how many items are inside.
func (v *valueReader) item() (inside uint64, err error) {
	b, err := v.from.ReadByte()
	if err != nil {
		return 0, err
	}
	v.value = append(v.value, b)
	switch {
	case b <= 0x7f || b >= 0xe0: // small numbers
		return 0, nil
	case b <= 0x8f: // maps of up to 15 pairs
		return 2 * uint64(b&0x0f), nil
	case b <= 0x9f: // lists of up to 15
		return uint64(b & 0x0f), nil
	case b <= 0xbf: // texts of up to 31 bytes
		return 0, v.take(uint64(b & 0x1f))
	}
	switch b {
	case 0xc0, 0xc2, 0xc3: // nil, false, true
		return 0, nil
	case 0xc4, 0xc5, 0xc6: // bytes
		return 0, v.takeCounted(1<<(b-0xc4), 0)
	case 0xc7, 0xc8, 0xc9: // extensions, with a byte for their kind
		return 0, v.takeCounted(1<<(b-0xc7), 1)
	case 0xca, 0xcb: // floats
		return 0, v.take(4 << (b - 0xca))
	case 0xcc, 0xcd, 0xce, 0xcf: // unsigned
		return 0, v.take(1 << (b - 0xcc))
	case 0xd0, 0xd1, 0xd2, 0xd3: // signed
		return 0, v.take(1 << (b - 0xd0))
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8: // extensions of fixed size
		return 0, v.take(1 + 1<<(b-0xd4))
	case 0xd9, 0xda, 0xdb: // texts
		return 0, v.takeCounted(1<<(b-0xd9), 0)
	case 0xdc, 0xdd: // lists
		return v.count(2 << (b - 0xdc))
	case 0xde, 0xdf: // maps
		n, err := v.count(2 << (b - 0xde))
		return 2 * n, err
	}
	return 0, fmt.Errorf("0x%02x does not begin a msgpack value", b)
}

// count reads a length of so many bytes.
func (v *valueReader) count(width int) (uint64, error) {
	if err := v.take(uint64(width)); err != nil {
		return 0, err
	}
	var eight [8]byte
	copy(eight[8-width:], v.value[len(v.value)-width:])
	return binary.BigEndian.Uint64(eight[:]), nil
}

func (v *valueReader) takeCounted(width int, more uint64) error {
	n, err := v.count(width)
	if err != nil {
		return err
	}
	return v.take(n + more)
}

// take reads n bytes. Memory grows with what is there, not with n.
func (v *valueReader) take(n uint64) error {
	if n > maxRecord || uint64(len(v.value)) > maxRecord-n {
		return fmt.Errorf("value is larger than %d bytes", maxRecord)
	}
	const step = 1 << 16
	for n > 0 {
		at := len(v.value)
		m := int(min(n, step))
		v.value = append(v.value, make([]byte, m)...)
		if _, err := io.ReadFull(v.from, v.value[at:]); err != nil {
			return err
		}
		n -= uint64(m)
	}
	return nil
}

// TypeName is what the records of a type hold, in the words of the original.
func TypeName(kind byte) string {
	names := [...]string{
		"Register", "Deregister", "KVS", "Session", "ACL", "Tombstone", "CoordinateBatchUpdate", "PreparedQuery",
		"Txn", "Autopilot", "Area", "ACLBootstrap", "Intention", "ConnectCA", "ConnectCAProviderState", "ConnectCAConfig",
		"Index", "ACLToken", "ACLTokenDelete", "ACLPolicy", "ACLPolicyDelete", "ConnectCALeaf", "ConfigEntry", "ACLRole",
		"ACLRoleDelete", "ACLBindingRule", "ACLBindingRuleDelete", "ACLAuthMethod", "ACLAuthMethodDelete",
		"ChunkingState", "FederationState", "SystemMetadata", "ServiceVirtualIP", "FreeVirtualIP", "KindServiceNames",
		"PeeringWrite", "PeeringDelete", "PeeringTerminateByID", "PeeringTrustBundleWrite", "PeeringTrustBundleDelete",
		"PeeringSecretsWrite",
	}
	if int(kind) < len(names) {
		return names[kind]
	}
	return fmt.Sprintf("Unknown(%d)", kind)
}
