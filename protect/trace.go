package protect

import (
	"context"
	"maps"
	"net/http"
	"strings"

	"github.com/elixirscope/foundation/telemetry"
)

// The fields of the W3C's Trace Context.
const (
	traceparentHeader = "Traceparent"
	tracestateHeader  = "Tracestate"
)

// tracedBy returns the context of r with the trace that its client has named, unless it
// carries one. One that is malformed, or named several times, is not trusted.
func tracedBy(r *http.Request) context.Context {
	ctx := r.Context()
	if said := r.Header[traceparentHeader]; len(said) == 1 && telemetry.TraceID(ctx) == "" {
		return telemetry.WithTrace(ctx, said[0], strings.Join(r.Header[tracestateHeader], ","))
	}
	return ctx
}

// passTrace gives out, which is a copy of req, the trace that ctx carries, unless the
// request names one itself. The header is copied: requests are never changed.
func passTrace(ctx context.Context, out, req *http.Request) {
	parent, state := telemetry.Trace(ctx)
	out.Header = maps.Clone(req.Header)
	if out.Header == nil {
		out.Header = http.Header{}
	}
	out.Header[traceparentHeader] = []string{parent}
	delete(out.Header, tracestateHeader)
	if state != "" {
		out.Header[tracestateHeader] = []string{state}
	}
}

// lacksTrace reports whether ctx carries a trace that req does not name.
func lacksTrace(ctx context.Context, req *http.Request) bool {
	return len(req.Header[traceparentHeader]) == 0 && telemetry.TraceID(ctx) != ""
}
