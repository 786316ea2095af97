package gateway

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"net/netip"
)

// requestInfo is what the gateway learned of a request. It is the context of the
// request and its writer in one, so that one allocation serves all.
type requestInfo struct {
	// The request's, with the correlation id; not named, so that all its methods are ours.
	context.Context //nolint:containedctx // it is a context
	responseWriter

	client  netip.Addr
	trusted bool
	// draining advises the client to close, so that its next request finds another instance.
	draining bool
	ids      [1]string // the correlation id, as the value of a header
	route    *route
	upload   *uploadBody // nil where there is nothing to send
	refusal  string      // the code of the fault that answered, "" if the upstream did
}

// header returns the correlation id as the value of a header. No header changes
// the list, so all of them share it.
func (i *requestInfo) header() []string { return i.ids[:1:1] }

// WriteHeader implements http.ResponseWriter. The id is set again, and so is the
// advice to leave, because a proxy clears the header after early hints.
func (i *requestInfo) WriteHeader(status int) {
	h := i.Header()
	h[requestIDHeader] = i.header()
	if i.draining && status >= http.StatusOK {
		h.Set("Connection", "close")
	}
	i.responseWriter.WriteHeader(status)
}

type infoKey struct{}

// Value implements context.Context.
func (i *requestInfo) Value(key any) any {
	if key == (infoKey{}) {
		return i
	}
	return i.Context.Value(key)
}

// infoOf returns the info of ctx; a request that did not come through the
// gateway has an empty one.
func infoOf(ctx context.Context) *requestInfo {
	if info, ok := ctx.Value(infoKey{}).(*requestInfo); ok {
		return info
	}
	return &requestInfo{Context: context.Background()}
}

// requestIDHeader carries the correlation id, in requests and in answers.
const requestIDHeader = "X-Request-Id"

// maxRequestID bounds the ids that clients may choose.
const maxRequestID = 128

var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// correlationID keeps the id that a client sent, if nothing in it could break a
// log line or a header, and draws one otherwise. An id is no secret, so the fast
// generator will do; it is seeded by the system and does not repeat in practice.
func correlationID(r *http.Request) string {
	if id := r.Header.Get(requestIDHeader); validRequestID(id) {
		return id
	}
	var random [15]byte
	binary.LittleEndian.PutUint64(random[:], rand.Uint64())
	binary.LittleEndian.PutUint64(random[7:], rand.Uint64())
	return idEncoding.EncodeToString(random[:])
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
