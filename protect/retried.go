package protect

import (
	"context"
	"net/http"

	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/retry"
)

// RetriedHeader is the field that marks a failed answer as one that was retried further in, in
// vain, so that whoever is further out does not retry it once more: [retry.Final] between
// processes. Its value is "1". [Handler] sets it, and [Transport] believes it with
// [TrustRetried].
const RetriedHeader = "Foundation-Retried"

// TrustRetried has a [Transport] believe the [RetriedHeader] of answers: what it asks belongs to
// the same system. Without this option the field is removed from answers, because an upstream
// could switch off the retries of everybody further out with it.
func TrustRetried() Option { return func(o *options) { o.trustsRetried = true } }

// retriedBelow reports whether resp bears a mark that may be believed. One that may not is
// removed, so that nobody passes it on.
func (o *options) retriedBelow(resp *http.Response) bool {
	if _, has := resp.Header[RetriedHeader]; !has {
		return false
	}
	if !o.trustsRetried {
		delete(resp.Header, RetriedHeader)
		return false
	}
	return o.outcome(resp.StatusCode) != outcome.Success
}

// tellRetried notes for the [Handler] that ctx comes from that a call below it ended with last,
// if that says that it was retried in vain.
func tellRetried(ctx context.Context, last error) {
	if retry.IsFinal(last) {
		noteRetried(ctx)
	}
}

func noteRetried(ctx context.Context) {
	if r, ok := ctx.Value(reportKey{}).(*report); ok {
		r.retried.Store(true)
	}
}

// markRetried sets the mark of an answer that failed after a call below was retried in vain,
// and removes one of which that is not known.
func (e *exchange) markRetried(status int) {
	if status < http.StatusBadRequest {
		return
	}
	if h := e.Header(); e.report.retried.Load() {
		h[RetriedHeader] = []string{"1"}
	} else {
		delete(h, RetriedHeader)
	}
}
