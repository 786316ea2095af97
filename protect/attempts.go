package protect

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/errclass"
	"github.com/elixirscope/foundation/internal/resend"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/retry"
)

// maxKeptAnswer bounds what is kept of a failed answer while another attempt is waited for.
const maxKeptAnswer = 4 << 10

// repeats is what a request under a policy of retries needs to be sent again.
type repeats struct {
	may  bool                          // it can be sent again, and that does no harm
	kept *resend.Body                  // its body, if that is kept while it is sent
	get  func() (io.ReadCloser, error) // or what makes the body again; both are nil without one
}

// repeatsOf says how req is sent again; nil if the guard retries nothing. A body that nobody
// can make again is kept while it is sent, if its length is known and small.
func (t *transport) repeatsOf(cfg *guard.Config, req *http.Request) *repeats {
	if t.measures || cfg.Retry == nil {
		return nil
	}
	r := &repeats{may: resend.Idempotent(req)}
	switch {
	case !r.may || req.Body == nil || req.Body == http.NoBody:
	case req.GetBody != nil:
		r.get = req.GetBody
	case !resend.Keepable(req):
		r.may = false
	default:
		r.kept = resend.Keep(req.Body, req.ContentLength)
	}
	return r
}

var errNotWhole = errors.New("the request's body was not sent to its end, and cannot be sent again")

// newFlight is the first attempt of a request.
func newFlight(tok *guard.Token, req *http.Request, r *repeats) *flight {
	x := &flight{token: tok, request: req, repeats: r}
	if r != nil && r.kept != nil {
		x.sends, x.resends = r.kept, true
	}
	return x
}

// body returns the body for another attempt, nil if the request has none.
func (r *repeats) body() (io.ReadCloser, error) {
	switch {
	case r.kept != nil:
		if body, ok := r.kept.Again(); ok {
			return body, nil
		}
		return nil, errNotWhole
	case r.get != nil:
		return r.get()
	}
	return nil, nil //nolint:nilnil // as net/http has it
}

// end goes on from where base has returned: to another attempt, which is not nil then, or to
// the answer or error for the caller.
func (t *transport) end(x *flight, out *http.Request, resp *http.Response, err error) (*flight, *http.Response, error) {
	if err == nil {
		late, next := t.retryAnswer(x, resp)
		if next != nil {
			return next, nil, nil
		}
		if !late {
			resp, err = t.answer(x, out, resp)
			return nil, resp, err
		}
		closeAnswer(resp)
		x.body = nil
	}
	if x.limit.passed() {
		err = x.limit.err
	}
	next, last := (*flight)(nil), err
	if how, may := t.judge(x, err); may {
		next, last = x.again(nil, how, err)
	}
	if next == nil {
		x.fail(err)
	}
	return next, nil, last
}

// retryAnswer asks for another attempt if resp has failed. An answer that came in the very
// moment of the timeout is late, and none.
func (t *transport) retryAnswer(x *flight, resp *http.Response) (late bool, next *flight) {
	if x.repeats == nil {
		return false, nil
	}
	x.body = resp.Body // nobody else closes it if what follows panics
	how := t.outcome(resp.StatusCode)
	if how == outcome.Success {
		return false, nil
	}
	keepAnswer(resp)
	if !x.limit.disarm() {
		return true, nil
	}
	next, _ = x.again(resp, how, x.statusError(resp))
	return false, next
}

// judge says what an error without an answer means for another attempt, and whether to ask
// for one: not if it says nothing about the dependency.
func (t *transport) judge(x *flight, err error) (how outcome.Outcome, may bool) {
	if x.repeats == nil {
		return outcome.Ignored, false
	}
	return t.judgeError(x, err)
}

// judgeError is judge whether or not there are retries.
func (t *transport) judgeError(x *flight, err error) (how outcome.Outcome, may bool) {
	switch {
	case guard.IsNeutral(unasked(err)):
		return outcome.Ignored, false
	case fault.IsRefusal(err):
		return outcome.Ignored, true
	}
	if classify := t.guard.Config().Classify; classify != nil && !x.limit.passed() {
		return classify(err), true
	}
	return outcome.Failure, true
}

// again asks for another attempt after one that ended with resp or err. If there is one, it
// returns it, and what the last one held is given back; else the error to end with.
func (x *flight) again(resp *http.Response, how outcome.Outcome, err error) (next *flight, last error) {
	ctx := x.request.Context()
	if ctx.Err() != nil {
		return nil, err
	}
	var body io.ReadCloser
	if x.repeats.may { // else it is asked for, to be counted
		var broken error
		if body, broken = x.repeats.body(); broken != nil {
			return nil, err
		}
	}
	again, last := x.token.Retry(ctx, how, err)
	if !again {
		tellRetried(ctx, last)
		if body != nil {
			_ = body.Close()
		}
		return nil, last
	}
	if resp != nil {
		closeAnswer(resp) // before the context is canceled, as in Close
	}
	x.release()
	return &flight{token: x.token, request: x.request, repeats: x.repeats, sends: body, resends: true, hedges: x.hedges}, nil
}

// statusError is the error of an answer that failed by its status, with its mark, or with the
// time that its sender asked to wait.
func (x *flight) statusError(resp *http.Response) error {
	err := errclass.Status(resp.StatusCode)
	if x.retried {
		return retry.Final(err)
	}
	if d, ok := ParseRetryAfter(resp.Header.Get("Retry-After"), time.Now()); ok {
		return retry.After(err, d)
	}
	return err
}

// keepAnswer reads the body of a failed answer whose length is known and small, so that its
// connection is free during the wait. If that breaks off, the reader of the answer learns of it.
func keepAnswer(resp *http.Response) {
	if resp.Body == nil || resp.Body == http.NoBody || resp.ContentLength <= 0 || resp.ContentLength > maxKeptAnswer {
		return
	}
	kept, err := io.ReadAll(io.LimitReader(resp.Body, resp.ContentLength))
	if err == nil {
		_, err = resp.Body.Read(make([]byte, 1)) // the end, which is what frees the connection
	}
	if err != nil && err != io.EOF { //nolint:errorlint // readers return it as it is
		resp.Body = &brokenBody{bytes.NewReader(kept), err, resp.Body}
		return
	}
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(kept))
}

// brokenBody is a body of which only a part was there.
type brokenBody struct {
	kept *bytes.Reader
	err  error
	io.Closer
}

// Read implements [io.Reader].
func (b *brokenBody) Read(p []byte) (int, error) {
	if b.kept.Len() > 0 {
		return b.kept.Read(p)
	}
	return 0, b.err
}

// Retry tells the [Handler] that ctx comes from how an attempt at what its guard protects
// has ended, and asks for another: see [guard.Token.Retry], which it is for handlers whose
// requests are [IdempotentBy]. A reverse proxy calls it after a round trip that failed,
// before anything is written to its client. It blocks for the wait between the attempts.
// Without a Handler above it reports false, and err.
func Retry(ctx context.Context, o outcome.Outcome, err error) (again bool, last error) {
	r, ok := ctx.Value(reportKey{}).(*report)
	if !ok {
		return false, err
	}
	again, last = r.exchange.token.Retry(ctx, o, err)
	if !again {
		tellRetried(ctx, last)
	}
	return again, last
}

// AttemptTimeout returns the time limit of the attempt under way, for handlers that call
// [Retry]; 0 where the guard sets none, beside that of the whole request.
func AttemptTimeout(ctx context.Context) time.Duration {
	r, ok := ctx.Value(reportKey{}).(*report)
	if !ok {
		return 0
	}
	return r.exchange.token.AttemptTimeout()
}
