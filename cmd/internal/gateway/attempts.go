package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/cmd/internal/upstreams"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/errclass"
	"github.com/elixirscope/foundation/internal/exhausted/dialing"
	"github.com/elixirscope/foundation/internal/resend"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect"
	"github.com/elixirscope/foundation/retry"
)

// maxDiscarded is how much of a failed answer is read before another attempt, so that its
// connection can be used again.
const maxDiscarded = 4 << 10

// askedTwice reports whether r can be sent to its upstream again, and does no harm then: it is
// idempotent, and has no body or one that can be kept. A request over HTTP/2 has a Body also if
// it has none, and then a length of 0.
func askedTwice(r *http.Request) bool {
	return resend.Idempotent(r) && (r.ContentLength == 0 || resend.Keepable(r)) && !keyIsForUs(r.Header["Connection"])
}

// keyIsForUs reports whether a client has its Idempotency-Key end at the gateway, as it may with
// any field: its upstream would not know that a request is one that it has had.
func keyIsForUs(connection []string) bool {
	return len(connection) > 0 && (hasToken(connection, "idempotency-key") || hasToken(connection, "x-idempotency-key"))
}

// RoundTrip implements http.RoundTripper. The call is the handler's, and the attempts are
// made here, as many as the guard's policy of retries grants; it also counts what failed and
// cannot be asked twice.
func (rt *route) RoundTrip(r *http.Request) (*http.Response, error) {
	info := infoOf(r.Context())
	kept := rt.keep(r)
	if kept != nil {
		defer kept.Release()
		r = withBody(r, kept)
	}
	for {
		info.attempts++
		s := rt.attempts(r, info)
		info.at = s.to
		body, may := info.resent(r, kept, &s)
		if !may || !again(r.Context(), &s) {
			giveBack(body)
			info.account = s.account
			return s.resp, s.err
		}
		if kept != nil {
			r = withBody(r, body)
		}
	}
}

// sent is what came of one attempt. Its account with the host is open while an answer that
// may be good is read, and closed if the attempt has failed.
type sent struct {
	to      *upstreams.Host
	resp    *http.Response
	err     error
	account upstreams.Attempt
}

// attempt sends r to one host, within a time limit unless that is 0, and settles what that
// says of the host. All that it knows is its own: a request may have several at once.
func (rt *route) attempt(r *http.Request, to upstreams.Choice, limit time.Duration) sent {
	s := sent{to: to.Host, account: to.Begin()}
	returned := false
	defer func() {
		if !returned {
			s.account.Leave()
		}
	}()
	info, began := infoOf(r.Context()), clock.Now()
	s.resp, s.err = rt.within(r, to.Peer(), limit) //nolint:bodyclose // whoever goes on with it closes it
	info.settleAttempt(r.Context(), &s, clock.Now().Sub(began))
	returned = true
	return s
}

// within sends r within a time limit, unless that is 0. The context lives
// as long as the request's: what of it is left when the header has come bounds nothing.
func (rt *route) within(r *http.Request, peer *upstreams.Peer, limit time.Duration) (*http.Response, error) {
	if limit == 0 {
		return send(r, r, peer)
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	var passed atomic.Bool
	timer := time.AfterFunc(limit, func() {
		if upload := infoOf(r.Context()).upload; upload == nil || upload.ended.Load() { // else it may be the client that is slow
			passed.Store(true)
			cancel(context.DeadlineExceeded)
		}
	})
	resp, err := send(r, r.WithContext(ctx), peer)
	if timer.Stop() || !passed.Load() {
		if err != nil {
			cancel(nil)
		}
		return resp, err
	}
	if err == nil {
		_ = resp.Body.Close()
	}
	return nil, fault.New(fault.Spec{
		Code: fault.CallTimeout, Component: "guard", Name: rt.guardName, Cause: context.DeadlineExceeded,
		Message:  "no response header within the time of an attempt",
		Evidence: []fault.Fact{fault.Measure("attempt_timeout", limit.Seconds(), "seconds")},
	})
}

// again asks the guard for another attempt after one that failed, and throws its answer
// away if there is one.
func again(ctx context.Context, s *sent) bool {
	how, err := s.fate()
	if ctx.Err() != nil || how == outcome.Success || s.err != nil && how != outcome.Failure {
		return false
	}
	granted, _ := protect.Retry(ctx, how, err)
	if granted && s.resp != nil {
		discard(s.resp)
	}
	return granted
}

// fate is what an attempt means for the guard, and why if it did not end well: what is not the
// upstream's doing means nothing.
func (s *sent) fate() (outcome.Outcome, error) {
	if s.err != nil {
		if upstreamFailed(s.err) {
			return outcome.Failure, s.err
		}
		return outcome.Ignored, s.err
	}
	how := protect.StatusOutcome(s.resp.StatusCode)
	if how == outcome.Success {
		return how, nil
	}
	err := errclass.Status(s.resp.StatusCode)
	if d, ok := protect.ParseRetryAfter(s.resp.Header.Get("Retry-After"), time.Now()); ok {
		err = retry.After(err, d)
	}
	if _, marked := s.resp.Header[protect.RetriedHeader]; marked && infoOf(s.resp.Request.Context()).route.trustsMark {
		err = retry.Final(err)
	}
	return how, err
}

// upstreamFailed reports whether err is the upstream's doing, and not that of the client,
// of this machine, or of a server that closes its connections in good order.
func upstreamFailed(err error) bool {
	_, clients := clientsFault(err)
	_, own := dialing.Exhausted(err)
	return !clients && !own && !errclass.Leaving(err) && !errors.Is(err, context.Canceled) && !errors.Is(err, errUploadFailed)
}

// discardFor is how long what is left of a failed answer is waited for: the connection is worth
// no more than that, and the next attempt waits meanwhile.
const discardFor = 50 * time.Millisecond

// discard reads what is left of a small answer and closes it.
func discard(resp *http.Response) {
	if resp.ContentLength >= 0 && resp.ContentLength <= maxDiscarded {
		late := time.AfterFunc(discardFor, func() { _ = resp.Body.Close() })
		_, _ = io.CopyN(io.Discard, resp.Body, maxDiscarded)
		late.Stop()
	}
	_ = resp.Body.Close()
}
