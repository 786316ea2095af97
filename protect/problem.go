package protect

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// The problem types of draft-ietf-httpapi-ratelimit-headers-11. Every other
// refusal is "about:blank": its status says it all.
const (
	typeQuotaExceeded   = "https://iana.org/assignments/http-problem-types#quota-exceeded"
	typeReducedCapacity = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
	typeBlank           = "about:blank"
)

// statusClientClosed is what is recorded for a client that left before its
// answer. HTTP has no such status; the number is the one that operators know.
const statusClientClosed = 499

// problem is the whole of what the public may see of a refusal (RFC 9457). The
// name of the part and the numbers that decided would tell an attacker where the
// limits are; operators find them under the correlation id.
type problem struct {
	Type          string     `json:"type"`
	Title         string     `json:"title"`
	Status        int        `json:"status"`
	Code          fault.Code `json:"code"`
	RetryAfter    int64      `json:"retry_after,omitempty"` // seconds
	CorrelationID string     `json:"correlation_id,omitempty"`
}

// WriteRefusal answers r with what err means to the public: the status of its
// code, Retry-After in whole seconds, the RateLimit fields where a rate limit
// decided, and an application/problem+json body of type, title, status, code,
// retry_after and correlation_id only. Any error may be given: one that is no
// fault is an operation that failed (502), a canceled context a client that left
// (499), an expired one a timeout (504).
//
// A gRPC client over HTTP/2 gets the gRPC status of the code instead, and in
// Grpc-Retry-Pushback-Ms when to try again.
//
// Fields that described an answer begun before are removed. WriteRefusal must
// not be called once the header has been sent.
func WriteRefusal(w http.ResponseWriter, r *http.Request, err error) {
	code, retryAfter := explain(err)
	body := describe(code, retryAfter)
	body.CorrelationID = telemetry.Correlation(r.Context())
	h := w.Header()
	clearEntity(h)
	if retryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(body.RetryAfter, 10))
	}
	if f, ok := errors.AsType[*fault.Error](err); ok && code == fault.RateLimited {
		setRateLimit(h, f, body.RetryAfter)
	}
	if speaksGRPC(r) {
		writeGRPCRefusal(w, code, retryAfter)
		return
	}
	text, _ := json.Marshal(body) // strings and numbers alone: it cannot fail
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(body.Status)
	_, _ = w.Write(text) // the client may have left; nobody else can be told
}

// RefusalCode returns the code that [WriteRefusal] answers err with: for logs, which
// must name the same one.
func RefusalCode(err error) fault.Code {
	code, _ := explain(err)
	return code
}

// explain reduces any error to a code and a delay.
func explain(err error) (fault.Code, time.Duration) {
	f, ok := errors.AsType[*fault.Error](err)
	switch {
	case ok && f == nil: // a nil pointer in an error, which nothing may be asked
		return fault.OperationFailed, 0
	case ok && fault.IsRefusal(f) && !fault.IsRefusal(err): // it is joined with a failure, which decides
		return fault.OperationFailed, 0
	case ok && f.Code() == fault.Canceled && errors.Is(f, context.DeadlineExceeded):
		return fault.CallTimeout, 0 // the caller's time was over before the call
	case ok:
		return f.Code(), f.RetryAfter()
	case errors.Is(err, context.Canceled):
		return fault.Canceled, 0
	case errors.Is(err, context.DeadlineExceeded):
		return fault.CallTimeout, 0
	default:
		return fault.OperationFailed, 0
	}
}

func describe(code fault.Code, retryAfter time.Duration) problem {
	p := problem{Type: problemType(code), Title: code.Title(), Status: code.HTTPStatus(), Code: code, RetryAfter: ceilSeconds(retryAfter)}
	if p.Type == typeBlank { // RFC 9457, section 4.2.1: the title is the status' phrase
		p.Title = statusText(p.Status)
	}
	return p
}

func problemType(code fault.Code) string {
	switch code {
	case fault.RateLimited:
		return typeQuotaExceeded
	case fault.CircuitOpen, fault.MemoryPressure, fault.ConcurrencyLimited, fault.PoolFull, fault.PoolTimeout, fault.WorkerFailed:
		return typeReducedCapacity
	default:
		return typeBlank
	}
}

func statusText(status int) string {
	if status == statusClientClosed {
		return "Client Closed Request"
	}
	return http.StatusText(status)
}

// clearEntity removes what a handler may have said about another body.
func clearEntity(h http.Header) {
	for _, name := range [...]string{"Content-Encoding", "Content-Range", "Etag", "Last-Modified", "Trailer", "Accept-Ranges"} {
		delete(h, name)
	}
}
