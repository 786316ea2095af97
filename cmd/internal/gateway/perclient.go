package gateway

import (
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/internal/key"
	"github.com/elixirscope/foundation/protect"
)

// admit counts a connection among those of its client, or reports that there are too
// many. Those of trusted proxies are not counted: many clients speak through one.
func (g *Gateway) admit(c *boundConn) bool {
	t := g.table.Load()
	addr, ok := addressOf(c.RemoteAddr())
	if t.perClient <= 0 || !ok || t.peers.trusts(addr) {
		return true
	}
	text := protect.ClientText(addr)
	k := key.Of(text)
	c.client = k.Hash(key.All)
	if !g.clients.take(c.client, t.perClient) {
		g.crowds.refused(g.log, text, time.Now())
		return false
	}
	c.counted.Store(true)
	return true
}

func addressOf(addr net.Addr) (netip.Addr, bool) {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}, false
	}
	return tcp.AddrPort().Addr().Unmap().WithZone(""), true
}

// crowds logs connections that are refused, but not each of them: whoever opens many
// must not fill the log.
type crowds struct {
	count  atomic.Int64 // since the last line
	logged atomic.Int64 // when that was, in nanoseconds
}

const crowdsEvery = 10 * time.Second

func (c *crowds) refused(log *slog.Logger, client string, now time.Time) {
	c.count.Add(1)
	last := c.logged.Load()
	if now.UnixNano()-last < int64(crowdsEvery) || !c.logged.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	log.Warn("connections are refused: their client has as many as limits.max_connections_per_client",
		slog.String("client", client), slog.Int64("refused", c.count.Swap(0)))
}
