package gateway

import (
	"context"
	"net/http"
	"strings"
	"sync"
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
// upstream requests that pass no guard.
func dropH2C(r *http.Request) {
	for _, protocol := range r.Header["Upgrade"] {
		if strings.Contains(strings.ToLower(protocol), "h2c") {
			delete(r.Header, "Upgrade")
			delete(r.Header, "Http2-Settings")
			return
		}
	}
}

func isUpgrade(r *http.Request) bool {
	wish := r.Header["Upgrade"]
	return len(wish) > 0 && wish[0] != ""
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
