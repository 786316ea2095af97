package protect

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
)

// Transport returns base behind g; nil means http.DefaultTransport. A request
// that g refuses is not sent, and the error is a *[fault.Error], which
// http.Client wraps in *url.Error: errors.Is and errors.AsType find it.
//
// The response's status decides the outcome, see [StatusOutcome], as soon as the
// header is here. The request keeps its place in the guard until the response's
// body has been read to its end or closed, so that a limit of concurrency means
// what it says; a body that breaks off turns the success into a failure. Close
// every body, as net/http asks anyway. A request that is not sent because this
// machine has run out of descriptors, ports or memory for sockets is neutral, and so is
// one that a server did not take because it was closing the connection in good order.
//
// The guard's timeout bounds the time until the header is here; then the body has
// as long as it takes, or see [BodyIdleTimeout]. A switched protocol, as
// WebSocket's, counts as success and keeps its place until it is closed.
//
// A trace that the context carries (see [telemetry.WithTrace]; [Handler] takes it from its
// request) goes out as traceparent and tracestate, unless the request has its own.
//
// Requests are never changed, and their bodies are closed also when they are
// refused. Every hop of a redirect is a request of its own. Under a guard with
// [guard.Config.Retry] a request is sent again after an error or a failed status, if its
// method is idempotent or it has an Idempotency-Key, and its body can be sent again: it has
// none, or GetBody, or a known length of at most 64 KiB, and is then kept while it is sent.
// Retry-After is heeded, and so is the [RetriedHeader] with [TrustRetried]. The answer or error of
// the last attempt is the result.
//
// Under a guard with [guard.Config.Hedge] a GET or HEAD without a body that is slow is sent
// again beside the first: the first good answer is the result, the other request is canceled,
// and its body closed. Base must be safe for that, as every RoundTripper is to be.
//
// Remember that http.Transport keeps two idle connections for a host unless
// MaxIdleConnsPerHost says otherwise.
func Transport(base http.RoundTripper, g *guard.Guard, opts ...Option) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{base: base, guard: g, options: collect(opts)}
}

type transport struct {
	base     http.RoundTripper
	guard    *guard.Guard
	measures bool // and never refuses
	options
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	call := t.callOf(req)
	if call.Target == "" {
		call.Target = strings.ToLower(req.URL.Host)
	}
	cfg := t.guard.Config()
	repeats := t.repeatsOf(&cfg, req)
	hedged := cfg.Hedge != nil && mayHedge(req) && !t.measures
	call.Idempotent = hedged || repeats != nil && repeats.may
	tok, err := t.guard.Enter(req.Context(), call)
	switch {
	case err != nil && t.measures:
		return t.base.RoundTrip(req)
	case err != nil:
		closeBody(req)
		return nil, err
	}
	x := newFlight(tok, req, repeats)
	x.hedges = cfg.Hedge != nil && !t.measures && (hedged || !call.Idempotent)
	defer func() { x.abandon() }()
	if repeats != nil && repeats.kept != nil {
		defer repeats.kept.Release()
	}
	for {
		s, err := t.attempt(x)
		x = s.flight
		next, resp, err := t.end(x, s.out, s.resp, err)
		if next == nil {
			return resp, err
		}
		x = next
	}
}

// CloseIdleConnections is what http.Client's method of that name calls.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// limited returns the request to send within ctx and d: a copy with a context of our own
// where something may have to cancel it, else the caller's.
func (t *transport) limited(ctx context.Context, x *flight, d time.Duration) *http.Request {
	req := x.request
	if d > 0 {
		ctx = x.limit.arm(ctx, t.guard.Name(), d)
	}
	if t.bodyIdle > 0 {
		ctx = x.idle.prepare(ctx, t.bodyIdle)
	}
	lacks := lacksTrace(ctx, req)
	if ctx == req.Context() && !lacks && !x.resends {
		return req
	}
	x.out = *req.WithContext(ctx)
	if x.resends {
		x.out.Body = x.sends
	}
	if lacks {
		passTrace(ctx, &x.out, req)
	}
	return &x.out
}

// answer takes the outcome from the header and ties the call to the body.
func (t *transport) answer(x *flight, out *http.Request, resp *http.Response) (*http.Response, error) {
	if !x.limit.disarm() {
		closeAnswer(resp) // came in the very moment of the timeout
		x.fail(context.DeadlineExceeded)
		return nil, x.limit.err
	}
	if x.retried {
		noteRetried(x.request.Context())
	}
	x.body = resp.Body
	if resp.Request == out {
		resp.Request = x.request // its context does not end with the body
	}
	t.settle(x.token, resp.StatusCode)
	x.handedOver = true
	if resp.Body == nil || resp.Body == http.NoBody {
		x.end(nil)
		return resp, nil
	}
	resp.Body = x.wrap(resp.Body)
	return resp, nil
}

func closeAnswer(resp *http.Response) {
	if resp.Body != nil {
		_ = resp.Body.Close()
	}
}

// closeBody keeps the promise of RoundTripper for a request that was not sent.
func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// flight is one request that was admitted, with the copy that is sent, and
// afterwards the body of its response: one allocation.
type flight struct {
	body       io.ReadCloser
	token      *guard.Token
	request    *http.Request // as it came in
	out        http.Request  // as it is sent, if it has a context of ours
	limit      timeLimit
	idle       idleLimit
	repeats    *repeats      // nil if nothing is retried
	sends      io.ReadCloser // the body of this attempt, if resends
	resends    bool
	retried    bool        // the answer says that it was retried further in
	hedges     bool        // it may be sent again while it is under way, or is counted
	handedOver bool        // the body's end settles the call
	ended      atomic.Bool // a body's end and its Close may come from two goroutines
}

// fail settles a request without a response.
func (x *flight) fail(err error) {
	defer x.end(nil)
	if x.limit.passed() {
		x.token.Settle(outcome.Failure, x.limit.err)
	} else {
		x.token.Done(unasked(err))
	}
}

// release gives back what the time limits hold, and ends their contexts.
func (x *flight) release() {
	x.limit.release()
	x.idle.release()
}

// abandon runs also when the RoundTripper below, or a function that judges, panicked
// or ended its goroutine: closing a token without an outcome is a failure.
func (x *flight) abandon() {
	if x.handedOver {
		return
	}
	defer x.end(nil)
	if x.body != nil { // nobody else will close it
		_ = x.body.Close()
	}
}

// end gives back the place in the guard, once. An err other than the caller's
// own doing turns a success into a failure.
func (x *flight) end(err error) {
	if !x.ended.CompareAndSwap(false, true) {
		return
	}
	defer x.release() // all of them also if a method of err panics
	defer x.token.Close()
	if err != nil && x.request.Context().Err() == nil {
		x.token.Settle(outcome.Failure, err)
	}
}
