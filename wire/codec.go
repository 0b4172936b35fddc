package wire

import (
	"bytes"
	"fmt"
)

// message is what travels: it knows its own form.
type message interface {
	marshal() []byte
	unmarshal([]byte) error
}

// codec hands gRPC the bytes of messages. There are no generated types: an
// HTTP request travels as it is.
type codec struct{}

func (codec) Name() string { return "muster" }

func (codec) Marshal(v any) ([]byte, error) {
	m, ok := v.(message)
	if !ok {
		return nil, fmt.Errorf("wire: cannot send %T", v)
	}
	return m.marshal(), nil
}

func (codec) Unmarshal(b []byte, v any) error {
	m, ok := v.(message)
	if !ok {
		return fmt.Errorf("wire: cannot receive %T", v)
	}
	return m.unmarshal(b)
}

// chunk is a piece of a stream.
type chunk struct{ data []byte }

// marshal copies: gRPC sends it later, and the owner of the buffer writes into
// it again.
func (c *chunk) marshal() []byte { return bytes.Clone(c.data) }
func (c *chunk) unmarshal(b []byte) error {
	c.data = append(c.data[:0], b...)
	return nil
}

// number is an index, or nothing (0).
type number struct{ n uint64 }

func (n *number) marshal() []byte { return appendUvarint(n.n) }
func (n *number) unmarshal(b []byte) error {
	d := decoder{b: b}
	n.n = d.number(1<<64 - 1)
	return d.err
}
