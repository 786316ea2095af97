package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/elixirscope/foundation/guard"
)

// transfer is what is known of the upstream's answer while its body is passed on.
type transfer struct {
	ctx      context.Context //nolint:containedctx // of the request as the proxy has it, which errors are reported to
	declared bool            // it has a length, which the upstream has to keep
	waits    waits           // measured where the length is declared: nothing else depends on it
}

func (t *transfer) begin(ctx context.Context, declared bool) { t.ctx, t.declared = ctx, declared }

// asks and hears stand around each read from the upstream. Before the first one
// nobody was waited for, so that the clock need not be read for an answer that
// comes in one piece.
func (t *transfer) asks() {
	if t.declared && !t.waits.since.IsZero() {
		t.waits.forClient(time.Now())
	}
}

func (t *transfer) hears() {
	if t.declared {
		t.waits.forUpstream(time.Now())
	}
}

// brokeOff tells the guard why the body of an answer ended before its end.
//
// Only a length that was declared and not kept says something about the upstream.
// Without one nobody can tell a quiet server from one that hangs, nor one that ends
// its streams after some time, as most do without the last chunk, from one that
// crashed; and any client may open as many such streams as it likes. They are
// counted by route instead. An err that is neutral already says nothing in any case.
func (i *requestInfo) brokeOff(err error) {
	i.broken = true
	t := &i.transfer
	switch left := t.ctx.Err(); {
	case errors.Is(left, context.DeadlineExceeded): // of the client: see boundByClient
		i.flag(flagClientDeadline)
		i.report(guard.Neutral(err))
	case left != nil: // the client has gone, as the guard will see
	case !t.declared:
		i.route.traffic.unfinished.Add(1)
		i.report(guard.Neutral(err))
	case guard.IsNeutral(err):
		i.report(err)
	default:
		if t.waits.forUpstream(time.Now()); t.waits.held() {
			i.flag(flagClientSlow)
			i.report(guard.Neutral(err))
			return
		}
		i.failedAs(classOf(err), err)
		i.report(err)
	}
}

// report tells the guard what became of a request whose answer has begun.
func (i *requestInfo) report(err error) {
	if i.transfer.ctx != nil {
		i.tell(i.transfer.ctx, err)
	}
}

// isStream reports whether an answer is quiet for as long as nothing happens that
// it could tell of.
func isStream(h http.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return isGRPC(h) || strings.EqualFold(strings.TrimSpace(kind), "text/event-stream")
}
