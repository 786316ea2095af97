package gateway

import (
	"io"
	"net/http"
	"time"

	"github.com/elixirscope/foundation/internal/resend"
)

// keep returns the body of r as one that is kept while it is sent, nil if there is none, or it
// will not be sent again.
func (rt *route) keep(r *http.Request) *resend.Body {
	if !rt.retries || r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody || !askedTwice(r) {
		return nil
	}
	return resend.Keep(r.Body, r.ContentLength)
}

// withBody returns r with another body. The transport may still look at the one that r has.
func withBody(r *http.Request, body io.ReadCloser) *http.Request {
	next := *r
	next.Body = body
	return &next
}

// resent returns the body for another attempt after s, nil for a request without one. It
// reports false if there can be none: there is no guard to ask, a part of the body is on its way, or
// was not kept because the guard had no policy when the route was made, or it is the client that is
// to blame for how s has ended.
func (i *requestInfo) resent(r *http.Request, kept *resend.Body, s *sent) (body io.ReadCloser, may bool) {
	if i.route.guardName == "" {
		return nil, false
	}
	if kept == nil {
		return nil, r.ContentLength == 0 || !askedTwice(r) // the guard refuses those, and counts them
	}
	if s.err != nil && i.upload != nil && i.upload.blames(classify(r.Context(), s.err), time.Now()) {
		return nil, false
	}
	return kept.Again()
}

// giveBack closes a body that no attempt has taken.
func giveBack(body io.Closer) {
	if body != nil {
		_ = body.Close()
	}
}
