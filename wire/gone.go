package wire

import (
	"context"
	"errors"
	"syscall"
)

// errThere says that the process at an address has not provably ended.
var errThere = errors.New("the server's process may be there")

// Gone waits until the connection to an address breaks, and returns nil if then
// nobody listens there any more: the process that did has ended, for a listener
// is the last thing that one that shuts down closes. Otherwise it returns an
// error: nothing can be told then. A machine that is cut off or has lost its
// power refuses nothing, and is not found gone.
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
	conn, err := c.dial(ctx, address)
	switch {
	case err == nil:
		conn.Close()
		return errThere
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil
	}
	return err
}
