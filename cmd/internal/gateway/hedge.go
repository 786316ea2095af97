package gateway

import (
	"context"
	"net/http"

	"github.com/elixirscope/foundation/cmd/internal/upstreams"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect"
)

// mayHedge reports whether r may be under way twice at once: it only reads.
func mayHedge(r *http.Request) bool {
	return r.ContentLength == 0 && askedTwice(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// hedged reports whether the guard is to make the attempts at r: it hedges, and r may be
// hedged or is to be counted as one that must not. What may be retried alone is neither.
func hedged(r *http.Request) bool {
	return (mayHedge(r) || !askedTwice(r)) && protect.Hedges(r.Context())
}

// attempts makes the attempt at r that is due, and others beside it where the guard hedges
// and r is slow. It returns what the request goes on with.
func (rt *route) attempts(r *http.Request, info *requestInfo) sent {
	to := info.aim.take(rt)
	limit := protect.AttemptTimeout(r.Context())
	if rt.guardName == "" || !hedged(r) {
		return rt.attempt(r, to, limit)
	}
	s, err := protect.Hedged(r.Context(), guard.Attempts[sent]{
		Make: func(ctx context.Context, a guard.Attempt) (sent, error) {
			s := rt.attempt(r.WithContext(ctx), info.aim.of(rt, to, a.Target), min(limit, a.Timeout))
			return s, s.err
		},
		Judge: judgeSent,
		Drop:  drop,
	})
	if s.err = err; s.resp != nil {
		s.resp.Request = r // whose context does not end when the answer has been read
	}
	return s
}

// judgeSent says what an attempt means while others may be under way: only a good answer is
// not worth waiting for a better one.
func judgeSent(s sent, _ error) (how outcome.Outcome, done bool, err error) {
	how, err = s.fate()
	return how, how == outcome.Success, err
}

// drop throws away the answer of an attempt that nobody waits for, which says nothing about
// its host.
func drop(s sent) {
	defer s.account.Leave()
	if s.resp != nil {
		s.account.Settle(outcome.Ignored, upstreams.LastError{})
		_ = s.resp.Body.Close()
	}
}

// of returns where an attempt goes whose member the guard knows by name: to the first
// attempt's host, or to one that was chosen since.
func (a *aim) of(rt *route, first upstreams.Choice, name string) upstreams.Choice {
	if name == "" || name == first.Name() {
		return first
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.chosen; c.Host != nil && c.Name() == name {
		a.chosen, a.tried = upstreams.Choice{}, append(a.tried, c.Host)
		return c
	}
	for _, h := range rt.hosts.Hosts() { // another hedge was chosen for before this one has begun
		if h.Name() == name {
			a.tried = append(a.tried, h)
			return upstreams.Choice{Host: h}
		}
	}
	return first // it was removed this moment
}
