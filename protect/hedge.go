package protect

import (
	"cmp"
	"context"
	"net/http"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
)

// mayHedge reports whether two of req may be under way at once: it only reads.
func mayHedge(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead:
		return (req.Body == nil || req.Body == http.NoBody) && len(req.Header["Upgrade"]) == 0
	}
	return false
}

// sent is what came of one attempt: the request as it was sent, and its answer.
type sent struct {
	flight *flight
	out    *http.Request
	resp   *http.Response
}

// attempt sends the request of x, and under a guard that hedges sends it again beside it if
// it is slow. It returns what the call goes on with. A request that must not be hedged is
// counted by the guard, unless it could be retried.
func (t *transport) attempt(x *flight) (sent, error) {
	if !x.hedges {
		return t.send(x.token.Context(), x, guard.Attempt{Timeout: cmp.Or(x.token.AttemptTimeout(), x.token.Timeout())})
	}
	return guard.Attempts[sent]{
		Make: func(ctx context.Context, a guard.Attempt) (sent, error) {
			return t.send(ctx, &flight{token: x.token, request: x.request, repeats: x.repeats, sends: x.sends, resends: x.resends, hedges: true}, a)
		},
		Judge: t.judgeSent,
		Drop:  drop,
	}.Run(x.token.Context(), x.token)
}

// send makes one round trip.
func (t *transport) send(ctx context.Context, x *flight, a guard.Attempt) (sent, error) {
	s := sent{flight: x, out: t.limited(ctx, x, a.Timeout)}
	returned := false
	defer func() {
		if !returned {
			x.release()
		}
	}()
	resp, err := t.base.RoundTrip(s.out) //nolint:bodyclose // the caller's, or closed by drop
	x.retried = resp != nil && t.retriedBelow(resp)
	s.resp, returned = resp, true
	return s, err
}

// judgeSent says what an attempt means while others may be under way. Only a good answer is
// not worth waiting for a better one.
func (t *transport) judgeSent(s sent, err error) (how outcome.Outcome, done bool, _ error) {
	x := s.flight
	switch {
	case err == nil:
		if how = t.outcome(s.resp.StatusCode); how == outcome.Success {
			return how, true, nil
		}
		return how, false, x.statusError(s.resp)
	case x.limit.passed():
		return outcome.Failure, false, x.limit.err
	}
	how, _ = t.judgeError(x, err)
	return how, x.request.Context().Err() != nil, err
}

// drop throws away an answer that nobody waits for.
func drop(s sent) {
	defer s.flight.release()
	if s.resp != nil {
		closeAnswer(s.resp)
	}
}

// Hedged makes an attempt at what the guard of the [Handler] protects that ctx comes from,
// and others beside it, see [guard.Attempts.Run], for handlers that call [Retry] between the
// attempts. Without a Handler above it makes one. The context of the attempt that the handler
// goes on with ends with ctx, not with [EndCall]: its answer may not have ended by then.
func Hedged[T any](ctx context.Context, a guard.Attempts[T]) (T, error) {
	r, ok := ctx.Value(reportKey{}).(*report)
	if !ok {
		return a.Make(ctx, guard.Attempt{Number: 1})
	}
	attempt := a.Make
	a.Make = func(race context.Context, of guard.Attempt) (T, error) {
		if race.Done() == ctx.Done() { // it is the only one
			return attempt(race, of)
		}
		own, cancel := context.WithCancelCause(ctx)
		leave := context.AfterFunc(race, func() { cancel(context.Cause(race)) })
		defer leave()
		return attempt(own, of)
	}
	return a.Run(ctx, r.exchange.token)
}

// Hedges reports whether [Hedged] may make more than one attempt for ctx, or counts why it
// does not.
func Hedges(ctx context.Context) bool {
	r, ok := ctx.Value(reportKey{}).(*report)
	return ok && r.exchange.token.Hedges()
}
