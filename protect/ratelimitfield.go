package protect

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// Quota is what a client may be told about the rate limit that applies to it, in
// the RateLimit fields of draft-ietf-httpapi-ratelimit-headers-11.
type Quota struct {
	// Policy is the name that clients see; empty means "default". It is not the
	// name of the rule unless you make it so.
	Policy string
	// Limit is how many requests the policy allows in a window.
	Limit int64
	// Window is the length of the window. It is sent in whole seconds, rounded up;
	// below a second, or 0, it is left out.
	Window time.Duration
	// Remaining is how many requests are left; below 0 counts as 0.
	Remaining int64
	// Reset is the time until the quota is whole again or, for a refusal, until
	// the next request may pass. 0 leaves it out.
	Reset time.Duration
}

// Set writes the fields RateLimit-Policy and RateLimit to h, replacing what is
// there.
func (q Quota) Set(h http.Header) {
	name := quote(q.Policy)
	if q.Limit > 0 {
		policy := name + ";q=" + integer(q.Limit)
		if q.Window >= time.Second {
			policy += ";w=" + integer(ceilSeconds(q.Window))
		}
		h.Set("Ratelimit-Policy", policy)
	}
	state := name + ";r=" + integer(max(0, q.Remaining))
	if q.Reset > 0 {
		state += ";t=" + integer(ceilSeconds(q.Reset))
	}
	h.Set("Ratelimit", state)
}

// maxInteger is the greatest Integer of Structured Fields (RFC 9651).
const maxInteger = 999_999_999_999_999

func integer(n int64) string { return strconv.FormatInt(min(n, maxInteger), 10) }

// quote renders a String of Structured Fields: printable ASCII, with quotes and
// backslashes escaped. What cannot be sent becomes '?'.
func quote(s string) string {
	if s == "" {
		s = "default"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c < ' ' || c > '~':
			b.WriteByte('?')
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// setRateLimit tells a refused client the quota of the rule that refused. Retry-After
// wins over t, so t repeats it and is never later or earlier.
func setRateLimit(h http.Header, f *fault.Error, retryAfter int64) {
	q, _ := f.Quota()
	Quota{Limit: q.Limit, Window: q.Window, Reset: seconds(float64(retryAfter))}.Set(h)
}

// tellQuota adds to an answer what its client has left.
func (e *exchange) tellQuota() {
	h := e.Header()
	if !e.handler.quota || len(h["Ratelimit"]) > 0 {
		return
	}
	if q, ok := e.token.Quota(); ok {
		Quota{Limit: q.Limit, Window: q.Window, Remaining: q.Remaining, Reset: q.ResetAfter}.Set(h)
	}
}
