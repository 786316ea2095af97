package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/cmd/internal/upstreams"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/errclass"
	"github.com/elixirscope/foundation/internal/exhausted/dialing"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect"
)

// deadlineFloor is how long the deadline of a gRPC client must have been, on a route without a
// guard, for its end to say something of the host.
const deadlineFloor = 100 * time.Millisecond

// policyOf is how the hosts of a route are ejected.
func policyOf(c settings.Route) upstreams.Policy {
	e := c.Eject.WithDefaults()
	p := upstreams.Policy{SlowStart: max(0, e.SlowStart)}
	if !e.Off {
		p.Failures, p.Rate, p.Volume, p.Window = max(0, e.Failures), max(0, e.Rate), e.Volume, e.Window
		p.For, p.MaxFor = e.For, e.MaxFor
	}
	return p
}

// upstreamLabel is what the hosts of a route are called together.
func upstreamLabel(first *url.URL, c settings.Route) string {
	if n := len(c.Targets()); n > 1 {
		return fmt.Sprintf("%s +%d", first.Host, n-1)
	}
	return first.Host
}

// several reports whether the route may have more than one host.
func (rt *route) several() bool { return rt.lookup != nil || len(rt.members) > 1 }

// connect gives the route the hosts that its configuration lists, or what looks them up, and
// their connections.
func (t *Table) connect(ctx context.Context, rt *route, c settings.Route, old *Table) error {
	var security settings.UpstreamTLS
	if c.TLS != nil {
		security = *c.TLS
	}
	files, err := readPEM(ctx, security)
	if err != nil {
		return err
	}
	for _, path := range []string{security.CAFile, security.CertFile, security.KeyFile} {
		if path != "" {
			t.files = append(t.files, path)
		}
	}
	for _, text := range c.Targets() {
		target, err := upstreamURL(text)
		if err != nil {
			return err
		}
		id := peerID{scheme: target.Scheme, host: target.Host, h2c: c.H2C, serverName: security.ServerName, files: files}
		peer, err := t.connections.peer(target, id, security, old.connections)
		if err != nil {
			return err
		}
		rt.members = append(rt.members, upstreams.Member{Name: target.Host, Peer: peer})
		if c.DNS != "" {
			return t.lookUp(rt, c, id, security, old)
		}
	}
	return nil
}

// peer is how a host is reached: over the connections that there are, those of old, or new ones.
func (c connections) peer(target *url.URL, id peerID, security settings.UpstreamTLS, old connections) (_ *upstreams.Peer, err error) {
	p := &upstreams.Peer{URL: target}
	if p.Transport, err = c.to(id, security, old); err != nil {
		return nil, err
	}
	if id.scheme == "https" && !id.h2c {
		id.http1 = true
		p.Changes, err = c.to(id, security, old)
	}
	return p, err
}

// useHosts puts the hosts in force, or those that were found so far.
func (rt *route) useHosts(now clock.Instant) {
	if rt.lookup != nil {
		rt.lookup.use(rt.naming, now)
		return
	}
	rt.hosts.Use(rt.policy, rt.members, now)
}

// aim is where the attempts of a request go. Each attempt takes what was chosen for it.
type aim struct {
	mu     sync.Mutex       // guards the fields below; nothing is called under it
	chosen upstreams.Choice // for the next attempt; without a host: not yet
	tried  []*upstreams.Host
	few    [3]*upstreams.Host // the first of them
}

// Next implements [guard.Balancer].
func (i *requestInfo) Next(admits func(member string) bool) string {
	return i.aim.choose(i.route, admits).Name()
}

// choose chooses where the next attempt goes.
func (a *aim) choose(rt *route, admits func(member string) bool) upstreams.Choice {
	a.mu.Lock()
	tried := a.tried // to which others only append
	a.mu.Unlock()
	c := rt.hosts.Next(tried, admits)
	a.mu.Lock()
	unused := a.chosen
	a.chosen = c
	a.mu.Unlock()
	unused.Drop()
	return c
}

// drop gives back what was chosen for an attempt that was then refused.
func (a *aim) drop() {
	a.mu.Lock()
	unused := a.chosen
	a.chosen = upstreams.Choice{}
	a.mu.Unlock()
	unused.Drop()
}

// next is where the next attempt goes: what the guard was told, or, without one, what is chosen
// now.
func (a *aim) next(rt *route) upstreams.Choice {
	a.mu.Lock()
	c := a.chosen
	a.mu.Unlock()
	if c.Host == nil {
		c = a.choose(rt, nil)
	}
	return c
}

// take returns where an attempt goes that begins now.
func (a *aim) take(rt *route) upstreams.Choice {
	c := a.next(rt)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tried == nil {
		a.tried = a.few[:0]
	}
	a.chosen, a.tried = upstreams.Choice{}, append(a.tried, c.Host)
	return c
}

// upstream is where the request went last; where it would have gone if it went nowhere.
func (i *requestInfo) upstream() string {
	switch {
	case i.at != nil:
		return i.at.Name()
	case i.route != nil:
		return i.route.upstream
	}
	return ""
}

// send makes one round trip for r, as out, with a host.
func send(r, out *http.Request, peer *upstreams.Peer) (*http.Response, error) {
	if out.URL.Host != peer.URL.Host { // it was made for another one
		if out == r {
			out = r.WithContext(r.Context())
		}
		to := *r.URL
		to.Host = peer.URL.Host
		out.URL = &to
	}
	transport := peer.Transport
	if peer.Changes != nil && len(r.Header["Upgrade"]) > 0 {
		transport = peer.Changes
	}
	resp, err := transport.RoundTrip(out)
	if err == nil {
		resp.Request = r
	}
	return resp, err
}

// settleAttempt says what an attempt that took so long means for its host, unless that is known
// only when its answer has been read.
func (i *requestInfo) settleAttempt(ctx context.Context, s *sent, took time.Duration) {
	if s.err != nil {
		o := i.outcomeOf(ctx, s.err, took)
		s.account.Settle(o, lastError(o, noFailure, s.err))
		s.account.Leave()
		return
	}
	if o := protect.StatusOutcome(s.resp.StatusCode); o != outcome.Success {
		s.account.Settle(o, lastError(o, failedStatus, errclass.Status(s.resp.StatusCode)))
		s.account.Leave()
		return
	}
	s.account.Answered()
}

// lastError is what a host that failed is remembered by. Its class is that of err unless it is
// known.
func lastError(o outcome.Outcome, class upstreamClass, err error) upstreams.LastError {
	if o != outcome.Failure {
		return upstreams.LastError{}
	}
	of, err := classAndCause(err)
	if class == noFailure {
		class = of
	}
	return upstreams.LastError{At: time.Now(), Class: upstreamClassNames[class], Reason: shortReason(err)}
}

// outcomeOf is what an error in place of an answer says of the host: what [route.answerError]
// would tell the guard if it was the request's last. took is how long the attempt was.
func (i *requestInfo) outcomeOf(ctx context.Context, err error, took time.Duration) outcome.Outcome {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return outcome.Ignored
	}
	if _, clients := clientsFault(err); clients {
		return outcome.Ignored
	}
	if _, own := dialing.Exhausted(err); own {
		return outcome.Ignored
	}
	f := classify(ctx, err)
	switch {
	case f.Code() == fault.Canceled, f.Code() != fault.CallTimeout && errors.Is(err, context.Canceled), errclass.Leaving(err):
		return outcome.Ignored
	case i.upload != nil && i.upload.blames(f, time.Now()):
		return outcome.Ignored
	case clientGaveUp(ctx) && took < i.route.floor:
		return outcome.Ignored
	}
	return outcome.Failure
}

// tell tells the guard, and remembers for the host, what became of the request.
func (i *requestInfo) tell(ctx context.Context, err error) {
	protect.ReportError(ctx, err)
	if err != nil {
		i.told.CompareAndSwap(nil, &err)
	}
}

// leaveHost settles the attempt whose answer was read, when the request has ended.
func (i *requestInfo) leaveHost() {
	i.aim.drop()
	if i.account.Host() == nil {
		return
	}
	defer i.account.Leave()
	told := i.told.Load()
	switch {
	case told != nil && !guard.IsNeutral(*told):
		i.account.Settle(outcome.Failure, lastError(outcome.Failure, i.failed, *told))
	case told != nil, i.request.Context().Err() != nil:
		i.account.Settle(outcome.Ignored, upstreams.LastError{})
	default:
		i.account.Settle(outcome.Success, upstreams.LastError{})
	}
}
