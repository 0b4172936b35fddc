package state

import (
	"fmt"
	"reflect"
	"sync"

	"github.com/hashicorp/go-msgpack/v2/codec"

	"muster/model"
)

// handle encodes commands and the records of snapshots alike: msgpack maps
// with the names of fields, so that a release may add fields.
var handle = newHandle()

func newHandle() *codec.MsgpackHandle {
	h := &codec.MsgpackHandle{WriteExt: true}
	h.RawToString = true
	h.MapType = reflect.TypeFor[map[string]any]()
	return h
}

type encoder struct {
	buf []byte
	enc *codec.Encoder
}

var encoders = sync.Pool{New: func() any {
	e := &encoder{}
	e.enc = codec.NewEncoderBytes(&e.buf, handle)
	return e
}}

var decoders = sync.Pool{New: func() any { return codec.NewDecoderBytes(nil, handle) }}

// Encode makes the log entry of a command.
func Encode(t model.CommandType, command any) ([]byte, error) {
	if kv, ok := command.(*model.KVCommand); ok {
		p := &kv.DirEnt
		b := make([]byte, 0, 128+len(p.Key)+len(p.Value)+len(p.Session))
		return appendKV(append(b, byte(t)), kv), nil
	}
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	e.buf = e.buf[:0]
	e.enc.ResetBytes(&e.buf)
	if err := e.enc.Encode(command); err != nil {
		return nil, fmt.Errorf("encode command: %w", err)
	}
	out := make([]byte, 1+len(e.buf))
	out[0] = byte(t)
	copy(out[1:], e.buf)
	return out, nil
}

// strict reads as handle does, and refuses fields that it does not know.
var strict = newStrict()

func newStrict() *codec.MsgpackHandle {
	h := newHandle()
	h.ErrorIfNoField = true
	return h
}

// decodeAll tells whether a value could be read, and nothing in it is unknown.
func decodeAll(b []byte, v any) bool {
	return wellFormed(b) == nil && codec.NewDecoderBytes(b, strict).Decode(v) == nil
}

// decode reads one value. It keeps nothing of b.
func decode(b []byte, v any) error {
	if err := wellFormed(b); err != nil {
		return err
	}
	d := decoders.Get().(*codec.Decoder)
	defer decoders.Put(d)
	d.ResetBytes(b)
	return d.Decode(v)
}

// Pack encodes a value as commands are encoded, for what agents send each
// other.
func Pack(v any) ([]byte, error) {
	b, err := Encode(0, v)
	if err != nil {
		return nil, err
	}
	return b[1:], nil
}

// Unpack reads what Pack made.
func Unpack(b []byte, v any) error { return decode(b, v) }
