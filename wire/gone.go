package wire

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// errThere says that the process at an address has not provably ended.
var errThere = errors.New("the server's process may be there")

// lastLook is the last pause between two looks at a port: for twice as long it is
// watched after a connection broke.
const lastLook = 320 * time.Millisecond

// Gone waits until the connection to an address breaks, and returns nil if then
// nobody listens there any more: the process that did has ended, for a listener
// is the last thing that one that shuts down closes. The system closes what a
// killed one had in any order, so the port is looked at for a while. Otherwise it
// returns an error: nothing can be told then. A machine that is cut off or has lost
// its power refuses nothing, and is not found gone.
func (c *Client) Gone(ctx context.Context, address string) error {
	l, err := c.link(ctx, address)
	if err != nil {
		return err
	}
	select {
	case <-l.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for pause := 10 * time.Millisecond; ; pause *= 2 {
		conn, err := c.dial(ctx, address)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			return nil
		case err != nil:
			return err
		}
		conn.Close()
		if pause > lastLook {
			return errThere
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
