package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// What travels on a link is frames:
//
//	4 bytes  length of the payload, big endian
//	1 byte   kind; its highest bit ends this direction of the call
//	8 bytes  number of the call, big endian
//	payload
//
// A call is opened by its caller with a number higher than all before. Both
// directions then carry one head, in the first frame, and a body.
const (
	frameHead = 4 + 1 + 8
	lastFrame = 0x80
)

const (
	// kindRequest opens a call: 4 bytes length of the head, the head, the
	// beginning of the body.
	kindRequest = 1 + iota
	// kindAnswer begins the answer, in the same form.
	kindAnswer
	// kindBody goes on with the body of either.
	kindBody
	// kindCredit lets the other side send so many more bytes of body: 4 bytes.
	kindCredit
	// kindReset ends a call before its time: 1 byte reason, text.
	kindReset
	// kindAsk opens a call that asks for the read index: 1 byte, not 0 for a
	// consistent one.
	kindAsk
	// kindIndex answers it: 8 bytes.
	kindIndex
	// kindPing, of no call, is answered with kindPong.
	kindPing
	kindPong
)

// Reasons of kindReset.
const (
	resetGone    = iota // the caller does not wait any more
	resetRefused        // the call has not been begun
	resetFailed         // the text says why
)

// Bounds, in bytes unless said otherwise.
const (
	maxHead  = 4 << 20  // a head: HTTP's own bound for it is lower
	maxChunk = 32 << 10 // body in one frame, so that small answers come in between
	// A body may be so much ahead of who reads it: at first, and when it has
	// proved to be read fast.
	firstWindow = 64 << 10
	lastWindow  = 4 << 20
	maxUnread   = 128 << 20 // bodies of one link that nobody has read yet
	maxCalls    = 1 << 16   // calls of one link under way
	// maxQueued is how much waits to be written before those who write wait;
	// what the link itself has to say may be four times as much.
	maxQueued = 256 << 10
	// maxMessage bounds an answer in one piece.
	maxMessage = 64 << 20
)

// A frame as it came. The payload is valid until the next one is read.
type frame struct {
	kind    byte
	last    bool
	call    uint64
	payload []byte
}

// beginFrame leaves room for what endFrame fills in.
func beginFrame(b []byte) []byte { return append(b, make([]byte, frameHead)...) }

// endFrame completes the frame that b is.
func endFrame(b []byte, kind byte, call uint64) {
	binary.BigEndian.PutUint32(b, uint32(len(b)-frameHead))
	b[4] = kind
	binary.BigEndian.PutUint64(b[5:], call)
}

func appendFrame(b []byte, kind byte, call uint64, payload ...byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, kind)
	b = binary.BigEndian.AppendUint64(b, call)
	return append(b, payload...)
}

// frameReader reads frames into a buffer of its own. The buffer grows while what
// comes at once fills it: a server has thousands of links that are mostly idle,
// and a few busy ones.
type frameReader struct {
	r    io.Reader
	buf  []byte
	got  []byte // part of buf that was read and not handed out
	want int    // length of the next buffer
}

// What is read at once, at first and at most, unless a frame is larger.
const (
	leastAhead = 1 << 10
	readAhead  = 16 << 10
)

var errTooLong = errors.New("frame is longer than its kind may be")

func (r *frameReader) next() (f frame, err error) {
	if err := r.fill(frameHead); err != nil {
		return frame{}, err
	}
	n := binary.BigEndian.Uint32(r.got)
	f.kind, f.last = r.got[4]&^lastFrame, r.got[4]&lastFrame != 0
	f.call = binary.BigEndian.Uint64(r.got[5:])
	if n > longest(f.kind) {
		return frame{}, fmt.Errorf("%w: kind %d, %d bytes", errTooLong, f.kind, n)
	}
	r.got = r.got[frameHead:]
	if err := r.fill(int(n)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	f.payload, r.got = r.got[:n], r.got[n:]
	return f, nil
}

// longest is the length of a payload at most.
func longest(kind byte) uint32 {
	switch kind {
	case kindRequest, kindAnswer:
		return 4 + maxHead + maxChunk
	case kindBody:
		return maxChunk
	case kindReset:
		return 1 + maxResetText
	}
	return 8
}

// maxResetText bounds the text of an error.
const maxResetText = 4 << 10

// fill reads until n bytes are there. A buffer that had to be made for a large
// frame is let go when it is empty.
func (r *frameReader) fill(n int) error {
	if len(r.got) >= n {
		return nil
	}
	r.want = max(r.want, leastAhead)
	switch {
	case n > len(r.buf), len(r.buf) < r.want, len(r.got) == 0 && len(r.buf) > 4*readAhead:
		r.buf = append(make([]byte, 0, max(n, r.want)), r.got...)[:max(n, r.want)]
	default:
		copy(r.buf, r.got)
	}
	have := len(r.got)
	for have < n {
		more, err := r.r.Read(r.buf[have:])
		have += more
		if err != nil && have < n {
			if have > 0 && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	if have == len(r.buf) {
		r.want = min(2*len(r.buf), readAhead)
	}
	r.got = r.buf[:have]
	return nil
}
