package state

import (
	"encoding/binary"
	"errors"

	"muster/model"
)

// Commands are msgpack, written and read by a library that works through
// reflection. What is here is the little of the format that is worth doing by
// hand: a guard in front of the library, and the one command that comes by the
// hundred thousand.

type itemKind uint8

const (
	itemBad itemKind = iota // nothing, or what breaks off
	itemOther
	itemNil
	itemUint
	itemString
	itemBytes
	itemList
	itemMap
	itemExtension
)

// item is one value, or the head of a list or a map.
type item struct {
	kind itemKind
	n    uint64 // of itemUint the value, of lists and maps how many items are inside
	data []byte // of strings, bytes and extensions
}

// heads tells of the items that begin with 0xc0 to 0xdf how many bytes of
// length follow, and how many bytes of content without being counted.
var heads = [32]struct {
	kind         itemKind
	count, fixed uint8
}{
	{itemNil, 0, 0}, {itemBad, 0, 0}, {itemOther, 0, 0}, {itemOther, 0, 0}, // nil, never used, false, true
	{itemBytes, 1, 0}, {itemBytes, 2, 0}, {itemBytes, 4, 0},
	{itemExtension, 1, 1}, {itemExtension, 2, 1}, {itemExtension, 4, 1}, // a byte tells which
	{itemOther, 0, 4}, {itemOther, 0, 8}, // floats
	{itemUint, 1, 0}, {itemUint, 2, 0}, {itemUint, 4, 0}, {itemUint, 8, 0},
	{itemOther, 0, 1}, {itemOther, 0, 2}, {itemOther, 0, 4}, {itemOther, 0, 8}, // signed
	{itemExtension, 0, 2}, {itemExtension, 0, 3}, {itemExtension, 0, 5}, {itemExtension, 0, 9}, {itemExtension, 0, 17},
	{itemString, 1, 0}, {itemString, 2, 0}, {itemString, 4, 0},
	{itemList, 2, 0}, {itemList, 4, 0}, {itemMap, 2, 0}, {itemMap, 4, 0},
}

// next reads the first item of b.
func next(b []byte) (item, []byte) {
	if len(b) == 0 {
		return item{}, nil
	}
	head := b[0]
	i := item{kind: itemOther}
	b = b[1:]
	size := uint64(0)
	switch {
	case head <= 0x7f:
		i.kind, i.n = itemUint, uint64(head)
		return i, b
	case head >= 0xe0: // small negative numbers
		return i, b
	case head <= 0x8f:
		i.kind, i.n = itemMap, 2*uint64(head&0x0f)
		return i, b
	case head <= 0x9f:
		i.kind, i.n = itemList, uint64(head&0x0f)
		return i, b
	case head <= 0xbf:
		i.kind, size = itemString, uint64(head&0x1f)
	default:
		h := &heads[head-0xc0]
		if i.kind = h.kind; i.kind == itemBad || len(b) < int(h.count) {
			return item{}, nil
		}
		for _, x := range b[:h.count] {
			i.n = i.n<<8 | uint64(x)
		}
		b = b[h.count:]
		size = uint64(h.fixed)
		switch i.kind {
		case itemMap:
			i.n *= 2
		case itemString, itemBytes, itemExtension:
			if i.kind == itemExtension && h.count > 0 && i.n == 0 {
				return item{}, nil // see wellFormed
			}
			size += i.n
		}
	}
	if uint64(len(b)) < size {
		return item{}, nil
	}
	i.data = b[:size]
	return i, b[size:]
}

var errMalformed = errors.New("malformed msgpack")

// wellFormed tells whether b is one whole value. The library believes what
// lengths are claimed, and takes an extension of no bytes for the value behind
// it, as deep as the stack goes; so nothing reaches it that was not checked.
func wellFormed(b []byte) error {
	for pending := uint64(1); pending > 0; pending-- {
		if len(b) == 0 {
			return errMalformed
		}
		switch head := b[0]; { // most items are short
		case head <= 0x7f:
			b = b[1:]
			continue
		case head >= 0xa0 && head <= 0xbf:
			if size := 1 + int(head&0x1f); size <= len(b) {
				b = b[size:]
				continue
			}
			return errMalformed
		}
		var i item
		i, b = next(b)
		switch i.kind {
		case itemBad:
			return errMalformed
		case itemList, itemMap:
			if i.n > uint64(len(b)) {
				return errMalformed
			}
			pending += i.n
		}
	}
	if len(b) > 0 {
		return errMalformed
	}
	return nil
}

// appendKV encodes a command as the library does.
func appendKV(b []byte, c *model.KVCommand) []byte {
	p := &c.DirEnt
	fields := byte(6)
	if p.Session != "" {
		fields++
	}
	b = append(b, 0x82) // a map of 2
	b = append(appendString(b, "DirEnt"), 0x80|fields)
	b = appendUint(appendString(b, "CreateIndex"), p.CreateIndex)
	b = appendUint(appendString(b, "Flags"), p.Flags)
	b = appendString(appendString(b, "Key"), p.Key)
	b = appendUint(appendString(b, "LockIndex"), p.LockIndex)
	b = appendUint(appendString(b, "ModifyIndex"), p.ModifyIndex)
	if p.Session != "" {
		b = appendString(appendString(b, "Session"), p.Session)
	}
	b = appendBytes(appendString(b, "Value"), p.Value)
	return appendString(appendString(b, "Op"), string(c.Op))
}

func appendString(b []byte, s string) []byte {
	switch n := len(s); {
	case n < 32:
		b = append(b, 0xa0|byte(n))
	case n <= 0xff:
		b = append(b, 0xd9, byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0xda), uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, 0xdb), uint32(n))
	}
	return append(b, s...)
}

func appendBytes(b, data []byte) []byte {
	switch n := len(data); {
	case data == nil:
		return append(b, 0xc0)
	case n <= 0xff:
		b = append(b, 0xc4, byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0xc5), uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, 0xc6), uint32(n))
	}
	return append(b, data...)
}

func appendUint(b []byte, n uint64) []byte {
	switch {
	case n <= 0x7f:
		return append(b, byte(n))
	case n <= 0xff:
		return append(b, 0xcc, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(b, 0xcd), uint16(n))
	case n <= 0xffffffff:
		return binary.BigEndian.AppendUint32(append(b, 0xce), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, 0xcf), n)
}

// decodeKV decodes what appendKV writes, exactly. Of all else it says false,
// and leaves it to the library.
func decodeKV(b []byte, c *model.KVCommand) bool {
	r := kvReader{b: b}
	p := &c.DirEnt
	r.literal("\x82\xa6DirEnt")
	locked := len(r.b) > 0 && r.b[0] == 0x87
	if locked {
		r.literal("\x87")
	} else {
		r.literal("\x86")
	}
	r.literal("\xabCreateIndex")
	p.CreateIndex = r.item(itemUint).n
	r.literal("\xa5Flags")
	p.Flags = r.item(itemUint).n
	r.literal("\xa3Key")
	p.Key = string(r.item(itemString).data)
	r.literal("\xa9LockIndex")
	p.LockIndex = r.item(itemUint).n
	r.literal("\xabModifyIndex")
	p.ModifyIndex = r.item(itemUint).n
	if locked {
		r.literal("\xa7Session")
		p.Session = string(r.item(itemString).data)
	}
	r.literal("\xa5Value")
	if len(r.b) > 0 && r.b[0] == 0xc0 {
		r.literal("\xc0")
	} else {
		p.Value = append([]byte{}, r.item(itemBytes).data...)
	}
	r.literal("\xa2Op")
	c.Op = knownOp(r.item(itemString).data)
	return !r.failed && len(r.b) == 0
}

// kvReader reads what it expects, or fails for good.
type kvReader struct {
	b      []byte
	failed bool
}

func (r *kvReader) literal(s string) {
	if len(r.b) < len(s) || string(r.b[:len(s)]) != s {
		r.b, r.failed = nil, true
		return
	}
	r.b = r.b[len(s):]
}

func (r *kvReader) item(kind itemKind) item {
	var i item
	if i, r.b = next(r.b); i.kind != kind {
		r.b, r.failed = nil, true
	}
	return i
}

// knownOp saves the memory for a name that is known.
func knownOp(name []byte) model.KVOp {
	switch string(name) {
	case string(model.KVSet):
		return model.KVSet
	case string(model.KVCAS):
		return model.KVCAS
	case string(model.KVDelete):
		return model.KVDelete
	case string(model.KVLock):
		return model.KVLock
	case string(model.KVUnlock):
		return model.KVUnlock
	}
	return model.KVOp(name)
}
