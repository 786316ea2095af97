package telemetry

import "context"

type traceKey struct{}

// trace is what a context carries of a distributed trace.
type trace struct{ parent, state string }

// traced is a context that carries a trace and nothing else.
type traced struct {
	context.Context //nolint:containedctx // it is a context

	trace trace
}

// Value implements [context.Context].
func (t *traced) Value(key any) any {
	if key == (traceKey{}) {
		return &t.trace
	}
	return t.Context.Value(key)
}

// WithTrace returns a context that carries where a request stands in a distributed trace:
// the values of the fields traceparent and tracestate of the W3C's Trace Context. A parent
// that breaks the rules of that format is not to be trusted: ctx then comes back as it is.
func WithTrace(ctx context.Context, parent, state string) context.Context {
	if !validTrace(parent) {
		return ctx
	}
	return &traced{ctx, trace{parent, state}}
}

// SetTrace makes c carry a trace as well, as [WithTrace] does; it reports false, and
// changes nothing, if parent is not valid. It must not be called once others have c.
func (c *Correlated) SetTrace(parent, state string) bool {
	if !validTrace(parent) {
		return false
	}
	c.trace = trace{parent, state}
	return true
}

// Trace returns the values of traceparent and tracestate that ctx carries, or "".
func Trace(ctx context.Context) (parent, state string) {
	if t, ok := ctx.Value(traceKey{}).(*trace); ok {
		return t.parent, t.state
	}
	return "", ""
}

// TraceID returns the id of the trace that ctx carries, 32 hexadecimal digits, or "".
func TraceID(ctx context.Context) string {
	parent, _ := Trace(ctx)
	if parent == "" {
		return ""
	}
	return parent[traceIDAt:traceIDEnd]
}

// The places in a traceparent: version-traceid-parentid-flags.
const (
	traceIDAt   = 3
	traceIDEnd  = traceIDAt + 32
	parentIDAt  = traceIDEnd + 1
	parentIDEnd = parentIDAt + 16
	flagsAt     = parentIDEnd + 1
	traceLength = flagsAt + 2
	maxTrace    = 256 // of versions to come
)

// validTrace reports whether a traceparent is one. Of a version to come it is known only
// that it begins as the first one does.
func validTrace(parent string) bool {
	n := len(parent)
	if n < traceLength || n > maxTrace || parent[:2] == "ff" || parent[:2] == "00" && n > traceLength || n > traceLength && parent[traceLength] != '-' {
		return false
	}
	if parent[2] != '-' || parent[traceIDEnd] != '-' || parent[parentIDEnd] != '-' {
		return false
	}
	return isHex(parent[:2]) && isHex(parent[flagsAt:traceLength]) &&
		isID(parent[traceIDAt:traceIDEnd]) && isID(parent[parentIDAt:parentIDEnd]) && isPrintable(parent[traceLength:])
}

func isHex(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// isID reports whether text is lower-case hexadecimal and not all zeros.
func isID(text string) bool {
	zero := true
	for i := range len(text) {
		zero = zero && text[i] == '0'
	}
	return !zero && isHex(text)
}

func isPrintable(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}
