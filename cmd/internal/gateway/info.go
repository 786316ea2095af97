package gateway

import (
	"bufio"
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/cmd/internal/upstreams"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/telemetry"
)

// requestInfo is what the gateway learned of a request. It is the request, its
// context and its writer in one, so that one allocation serves all.
type requestInfo struct {
	telemetry.Correlated // not named, so that all methods of a context are ours
	responseWriter
	flight

	request http.Request // with this context
	client  netip.Addr
	trusted bool
	host    string // that the client named, as hostname.Split gives it
	// draining advises the client to close, so that its next request finds another instance.
	draining  bool
	untraced  bool      // what the client said of a trace is not to be trusted
	ids       [1]string // the correlation id, as the value of a header
	forwarded forwarded
	route     *route
	aim       aim
	at        *upstreams.Host   // where the latest one went
	account   upstreams.Attempt // of the attempt whose answer is read
	told      atomic.Pointer[error]
	upload    *uploadBody // nil where there is nothing to send
	transfer  transfer
	download  idleBody
	answer    answerBody
	refusal   fault.Code // of the guard, or of a limit of the route; 0 if neither refused
	failed    upstreamClass
	flags     flags
	by        party // who broke off the answer, once the request has ended
	returned  bool  // the handler did, and did not panic
	timed     bool  // how long the upstream takes is wanted
	asked     clock.Instant
	header    time.Duration // from there to the upstream's header
	attempts  int           // that were made one after the other
}

// idField returns the correlation id as the value of a header. No header changes
// the list, so all of them share it.
func (i *requestInfo) idField() []string { return i.ids[:1:1] }

// WriteHeader implements http.ResponseWriter. The id is set again, and so is the
// advice to leave, because a proxy clears the header after early hints.
func (i *requestInfo) WriteHeader(status int) {
	h := i.Header()
	h[requestIDHeader] = i.idField()
	if i.stream && status < http.StatusOK {
		i.hint(status)
		return
	}
	if i.draining && status >= http.StatusOK {
		h.Set("Connection", "close")
	}
	i.responseWriter.WriteHeader(status)
}

// hint sends an early hint on a stream of HTTP/2. When a client resets the stream,
// its server may go on reading the header while it is changed for the answer, which
// ends the process. It reads a copy where there is a length, which a hint cannot have
// and does not get.
func (i *requestInfo) hint(status int) {
	h := i.Header()
	length, has := h["Content-Length"]
	h["Content-Length"] = length
	i.responseWriter.WriteHeader(status)
	if !has {
		delete(h, "Content-Length")
	}
}

// Write implements http.ResponseWriter.
func (i *requestInfo) Write(p []byte) (int, error) {
	if i.status == 0 {
		i.WriteHeader(http.StatusOK)
	}
	n, err := i.responseWriter.Write(p)
	if err != nil { // it is the client that did not take it
		if i.pastReading(err) {
			i.flag(flagClientNotReading)
		}
		i.report(guard.Neutral(err))
	}
	return n, err
}

// Hijack implements http.Hijacker. The proxy writes the header of an upgrade
// itself, and takes it from here.
func (i *requestInfo) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	i.Header()[requestIDHeader] = i.idField()
	return i.responseWriter.Hijack()
}

type infoKey struct{}

// Value implements context.Context.
func (i *requestInfo) Value(key any) any {
	if key == (infoKey{}) {
		return i
	}
	return i.Correlated.Value(key)
}

// infoOf returns the info of ctx; a request that did not come through the
// gateway has an empty one.
func infoOf(ctx context.Context) *requestInfo {
	if info, ok := ctx.Value(infoKey{}).(*requestInfo); ok {
		return info
	}
	return &requestInfo{Correlated: telemetry.Correlate(context.Background(), "")}
}

// requestIDHeader carries the correlation id, in requests and in answers.
const requestIDHeader = "X-Request-Id"

// maxRequestID bounds the ids that clients may choose.
const maxRequestID = 128

// idAlphabet has 32 characters, none of which is easily taken for another.
const idAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// correlationID keeps the id that a client sent, if nothing in it could break a
// log line or a header, and draws one otherwise. An id is no secret, so the fast
// generator will do; it is seeded by the system and does not repeat in practice.
func correlationID(r *http.Request) string {
	if sent := r.Header[requestIDHeader]; len(sent) > 0 && validRequestID(sent[0]) {
		return sent[0]
	}
	var id [24]byte
	for half := range 2 {
		random := rand.Uint64()
		for i := range 12 { // of 5 bits
			id[12*half+i] = idAlphabet[random&31]
			random >>= 5
		}
	}
	return string(id[:])
}

func validRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		c := id[i]
		ok := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == ':'
		if !ok {
			return false
		}
	}
	return true
}
