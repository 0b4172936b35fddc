package boot

import (
	"context"
	"net"
	"net/netip"

	"github.com/hashicorp/memberlist"

	"muster/quorum"
	"muster/wire"
)

// World is what an agent meets outside its process. The zero value is the
// machine that it runs on; tests of whole clusters make one in memory.
type World struct {
	// Listen opens a port for streams; nil is net.Listen.
	Listen func(network, address string) (net.Listener, error)
	// Interrupt, when it is closed, ends a start that waits for others.
	Interrupt <-chan struct{}
	// Discover finds addresses to join by a text of cloud discovery
	// ("provider=..."); nil is internal/discover.
	Discover func(ctx context.Context, text string) ([]string, error)
	// Dial connects to the ports of other agents; nil is the network.
	Dial wire.Dial
	// Gossip makes the transport of a pool that is bound to an address; nil is
	// UDP and TCP.
	Gossip func(bind netip.AddrPort) (memberlist.Transport, error)
	// Storage opens what a server must not forget; nil is the data directory,
	// and memory where there is none.
	Storage func() (*quorum.Storage, error)
}

// listen opens a port for streams.
func (w *World) listen(network, address string) (net.Listener, error) {
	if w.Listen == nil {
		return net.Listen(network, address)
	}
	return w.Listen(network, address)
}
