package protect

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
)

// Handler returns next behind g: a request that g refuses is answered by
// [WriteRefusal] and does not reach next.
//
// The response's status decides the outcome, see [StatusOutcome]; what next
// knows better it says with [ReportError]. A client that leaves is neutral. A
// panic is a failure and goes on to the server, http.ErrAbortHandler included;
// once the header is out, it is neutral if the client has left, and else what
// ReportError was told.
//
// The guard's timeout bounds the time until next sends the header. When it has
// passed, the request's context is canceled and the answer is 504, whatever next
// still writes; Handler returns when next does. Afterwards the body may take as
// long as it takes, and the request keeps its place in the guard until next
// returns, or says with [EndCall] that what the guard protects has done its part. A
// connection that next hijacks or switches to another protocol counts as answered and
// has no limit of time.
//
// A failed answer gets the [RetriedHeader] if a call below was retried in vain, as by a
// [Transport] under the request's context or by [Retry]; no other answer that failed has it.
//
// A valid traceparent of the request is carried by the context that next gets, and by
// events; see [telemetry.TraceID]. One that is malformed is not trusted.
//
// The ResponseWriter that next gets flushes, hijacks and reads from files as the
// one beneath, and has an Unwrap method for [http.ResponseController].
//
// A client's leaving is noticed by net/http once the request's body has been
// read; until then a request may wait for a place although nobody waits for it.
func Handler(next http.Handler, g *guard.Guard, opts ...Option) http.Handler {
	return &handler{next: next, guard: g, options: collect(opts)}
}

type handler struct {
	next     http.Handler
	guard    *guard.Guard
	measures bool // and never refuses
	options
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tok, err := h.guard.Enter(tracedBy(r), h.callOf(r))
	switch {
	case err != nil && h.measures:
		h.next.ServeHTTP(w, r)
		return
	case err != nil:
		h.refuse(w, r, err)
		return
	}
	e := &exchange{ResponseWriter: w, request: r, handler: h, token: tok}
	defer e.close()
	e.inner = *r.WithContext(e.context())
	h.next.ServeHTTP(e, &e.inner)
	e.finish()
}

// exchange is one request that was admitted: the request and the ResponseWriter
// that the handler sees and the accounts of the call, in one allocation.
type exchange struct {
	http.ResponseWriter
	request *http.Request // as it came in
	inner   http.Request  // as the handler sees it
	handler *handler
	token   *guard.Token
	limit   timeLimit
	report  report
	status  int  // the final status, 0 until it is known
	late    bool // the guard's time passed and was answered
	over    bool // the call ends with the header, see EndCall
	settled bool
	gone    atomic.Bool // nothing can be written to the client
}

// context returns what the handler's request runs under.
func (e *exchange) context() context.Context {
	ctx := e.token.Context()
	if d := e.token.Timeout(); d > 0 {
		ctx = e.limit.arm(ctx, e.handler.guard.Name(), d)
	}
	e.report.exchange = e
	return e.report.under(ctx)
}

// finish settles a request whose handler returned.
func (e *exchange) finish() {
	if e.status == 0 && e.limit.passed() {
		e.answerLate()
	}
	e.settle()
}

// settle ends the call, unless it has ended.
func (e *exchange) settle() {
	if e.settled {
		return
	}
	e.settled = true
	defer e.token.Close()
	reported := e.report.load()
	if e.late { // whose context may be over as well, for the connection goes with the answer
		if guard.IsNeutral(reported) {
			e.token.Done(reported)
		} else {
			e.token.Settle(outcome.Failure, e.limit.err)
		}
		return
	}
	switch left := e.left(reported); {
	case e.status == http.StatusSwitchingProtocols: // settled, whatever becomes of the connection
	case left != nil && (e.status == 0 || e.status >= http.StatusInternalServerError):
		e.token.Done(left)
	case reported != nil:
		e.token.Done(reported)
	case e.status == 0:
		e.tellQuota()
		e.handler.settle(e.token, http.StatusOK) // net/http sends it
	default:
		e.handler.settle(e.token, e.status)
	}
}

// left is nil, or why nobody waits for the answer any more: the client has gone,
// or a deadline from further out has passed. Which of them says something about
// health is the guard's to judge; that a deadline does not, a handler may know better.
func (e *exchange) left(reported error) error {
	err := e.request.Context().Err()
	switch {
	case err == nil && e.gone.Load():
		return guard.Neutral(context.Canceled)
	case guard.IsNeutral(reported) && errors.Is(err, context.DeadlineExceeded):
		return nil
	}
	return err
}

// close runs also when the handler panicked or ended its goroutine. Without
// recover the panic's value is unknown, and that is as it should be: it is the
// server's. A proxy that can't go on after the header panics with ErrAbortHandler;
// that its client left says nothing about health, and what it reports says more
// than the panic.
func (e *exchange) close() {
	defer e.limit.release()
	defer e.token.Close() // also if what judges the error panics
	if e.request.MultipartForm == nil {
		e.request.MultipartForm = e.inner.MultipartForm // the server removes its files, which it only knows of by its own request
	}
	if !e.settled && e.status != 0 && e.status != http.StatusSwitchingProtocols {
		reported := e.report.load()
		switch left := e.left(reported); {
		case left != nil:
			e.token.Done(left)
		case reported != nil:
			e.token.Done(reported)
		}
	}
}

// answerLate sends the timeout in place of what the handler came up with.
func (e *exchange) answerLate() {
	e.late = true
	e.markRetried(http.StatusGatewayTimeout)
	e.handler.refuse(e.ResponseWriter, e.request, e.limit.err)
	e.status = http.StatusGatewayTimeout
}

// upgraded settles the call: what follows on the connection is no request.
func (e *exchange) upgraded() {
	e.status = http.StatusSwitchingProtocols
	e.handler.settle(e.token, e.status)
	if e.over {
		e.settle()
	}
}

// ReportError tells the [Handler] that ctx comes from that the request failed
// with err, whatever the status may look like: a reverse proxy's ErrorHandler
// calls it. The guard's own judgement applies to err, so that context.Canceled of
// a client that left and refusals further in stay neutral, and a connection that
// could not be made is a failure. An error marked with guard.Neutral stays neutral
// also when the guard's time has passed. The first report counts. Without a Handler
// above, or with a nil err, it does nothing.
func ReportError(ctx context.Context, err error) {
	if r, ok := ctx.Value(reportKey{}).(*report); ok && err != nil {
		r.first.CompareAndSwap(nil, &err)
	}
}

// EndCall tells the [Handler] that ctx comes from that the guarded call is over,
// although the handler goes on: what the guard protects has answered in full, and the
// rest is between the handler and its client, whose slowness must not hold a place
// that others wait for. A reverse proxy calls it once it has read the upstream's answer
// to its end, and for a connection that leaves HTTP.
//
// The call is settled as if the handler had returned, and its place in the guard is
// free; what is reported later counts no more. Before the header is sent the call ends
// with the header. The guard bounds no more what the handler still holds for its
// client: bound that otherwise.
//
// It must be called on the goroutine that serves the request, as the methods of its
// ResponseWriter. Without a Handler above it does nothing, and so does a second call.
func EndCall(ctx context.Context) {
	r, ok := ctx.Value(reportKey{}).(*report)
	if !ok {
		return
	}
	e := r.exchange
	if e.over = true; e.status != 0 {
		e.settle()
	}
}

type reportKey struct{}

// report is the context of a request, which knows where its errors go.
type report struct {
	context.Context //nolint:containedctx // it is a context: the request's, with a place for errors
	first           atomic.Pointer[error]
	retried         atomic.Bool // a call below was retried in vain
	exchange        *exchange
}

// under makes r a context below parent, before anybody else has it.
func (r *report) under(parent context.Context) context.Context {
	r.Context = parent
	return r
}

// Value implements [context.Context].
func (r *report) Value(key any) any {
	if key == (reportKey{}) {
		return r
	}
	return r.Context.Value(key)
}

func (r *report) load() error {
	if p := r.first.Load(); p != nil {
		return *p
	}
	return nil
}
