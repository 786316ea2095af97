package gateway

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
)

// upgrades keeps the connections that left HTTP (WebSocket and the like). The
// HTTP server forgets them when they are hijacked, so that its shutdown neither
// waits for them nor closes them.
type upgrades struct {
	// mu guards the fields below; nothing is called while it is held.
	mu      sync.Mutex
	next    int
	cancels map[int]context.CancelFunc
	closed  bool
	idle    chan struct{} // closed when the last one ended, once closed is set
}

// dropH2C answers a wish to go on in HTTP/2 as the protocol allows, by ignoring
// it: over a connection that left HTTP/1 for HTTP/2 a client would send the
// upstream requests that pass no guard. In HTTP/1.0 no wish counts.
func dropH2C(r *http.Request) {
	if !r.ProtoAtLeast(1, 1) {
		delete(r.Header, "Upgrade")
	}
	for _, protocol := range r.Header["Upgrade"] {
		if strings.Contains(strings.ToLower(protocol), "h2c") {
			delete(r.Header, "Upgrade")
			delete(r.Header, "Http2-Settings")
			return
		}
	}
}

// isUpgrade reports whether the client offers to change to another protocol: the
// offer counts for those only who are told of it by the Connection field.
func isUpgrade(r *http.Request) bool {
	offer := r.Header["Upgrade"]
	return len(offer) > 0 && offer[0] != "" && hasToken(r.Header["Connection"], "upgrade")
}

// hasToken reports whether a field that is a list has token, which is in lower case.
func hasToken(values []string, token string) bool {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.Trim(item, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// checkChange compares what the upstream changed to with what was offered.
func checkChange(resp *http.Response) error {
	if offer := resp.Request.Header.Get("Upgrade"); offer != "" && !strings.EqualFold(offer, resp.Header.Get("Upgrade")) {
		return errOtherProtocol
	}
	return nil
}

// boundUpgrades stands between the guard and the proxy. A request to leave HTTP takes a
// place among the upgraded connections of its route before the upstream is asked; what
// it holds of the guard's ends with the upstream's answer. Else idle connections would
// take the places of all requests.
func (rt *route) boundUpgrades(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isUpgrade(r) {
			next.ServeHTTP(w, r)
			return
		}
		if n := rt.held.upgraded.Add(1); rt.maxUpgraded > 0 && n > int64(rt.maxUpgraded) {
			rt.held.upgraded.Add(-1)
			rt.tooManyUpgraded(w, r)
			return
		}
		defer rt.held.upgraded.Add(-1)
		ctx, done := rt.upgrades.add(r.Context())
		defer done()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (rt *route) tooManyUpgraded(w http.ResponseWriter, r *http.Request) {
	f := fault.New(fault.Spec{
		Code: fault.ConcurrencyLimited, Component: "gateway", Name: rt.guardName, RetryAt: time.Now().Add(pauseOfHeld),
		Message:  "too many connections of the route have left HTTP",
		Evidence: []fault.Fact{fault.Measure("max_upgraded", float64(rt.maxUpgraded), "")},
	})
	infoOf(r.Context()).tell(r.Context(), guard.Neutral(f))
	refuse(w, r, f)
}

// watchUpgrade bounds how long a connection that leaves HTTP may be silent.
func (rt *route) watchUpgrade(resp *http.Response) {
	if conn, ok := resp.Body.(io.ReadWriteCloser); ok && rt.upgradeIdle > 0 {
		resp.Body = newQuietConn(conn, rt.upgradeIdle)
	}
}

// quietConn is an upgraded connection to an upstream, which is closed when nothing was
// said in either direction for the idle time: all of it goes through here.
type quietConn struct {
	io.ReadWriteCloser

	idle   time.Duration
	timer  *time.Timer
	spoken atomic.Int64 // when anybody last spoke
}

func newQuietConn(conn io.ReadWriteCloser, idle time.Duration) *quietConn {
	c := &quietConn{ReadWriteCloser: conn, idle: idle}
	c.spoken.Store(time.Now().UnixNano())
	c.timer = time.AfterFunc(math.MaxInt64, c.ring) // which uses it
	c.timer.Reset(idle)
	return c
}

// ring looks whether anybody has spoken since the timer was set.
func (c *quietConn) ring() {
	if quiet := time.Duration(time.Now().UnixNano() - c.spoken.Load()); quiet < c.idle {
		c.timer.Reset(c.idle - quiet)
		return
	}
	_ = c.ReadWriteCloser.Close() // wakes whoever reads
}

func (c *quietConn) Read(p []byte) (int, error) {
	n, err := c.ReadWriteCloser.Read(p)
	c.spoken.Store(time.Now().UnixNano())
	return n, err
}

func (c *quietConn) Write(p []byte) (int, error) {
	c.spoken.Store(time.Now().UnixNano())
	return c.ReadWriteCloser.Write(p)
}

// CloseWrite ends what is sent and leaves open what is received.
func (c *quietConn) CloseWrite() error {
	if half, ok := c.ReadWriteCloser.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Close implements io.Closer.
func (c *quietConn) Close() error {
	c.timer.Stop()
	return c.ReadWriteCloser.Close()
}

// add notes an upgrade and returns a context that ends with [upgrades.close] and
// the function that forgets the upgrade.
func (u *upgrades) add(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		cancel()
		return ctx, func() {}
	}
	if u.cancels == nil {
		u.cancels = map[int]context.CancelFunc{}
	}
	id := u.next
	u.next++
	u.cancels[id] = cancel
	return ctx, func() { u.remove(id) }
}

func (u *upgrades) remove(id int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	cancel, ok := u.cancels[id]
	if !ok {
		return
	}
	cancel()
	delete(u.cancels, id)
	if u.idle != nil && len(u.cancels) == 0 {
		close(u.idle)
		u.idle = nil
	}
}

func (u *upgrades) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.cancels)
}

// wait blocks until no upgraded connection is left or ctx ends.
func (u *upgrades) wait(ctx context.Context) {
	idle := u.idleChannel()
	if idle == nil {
		return
	}
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

func (u *upgrades) idleChannel() <-chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.cancels) == 0 {
		return nil
	}
	if u.idle == nil {
		u.idle = make(chan struct{})
	}
	return u.idle
}

// close ends every upgraded connection and refuses new ones.
func (u *upgrades) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for _, cancel := range u.cancels {
		cancel()
	}
}
