package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/elixirscope/foundation/protect"
)

// answerBody is the body of a response as the proxy reads it. It tells the guard when
// the upstream has said all: what is left then is between us and the client, which may
// take as long to read as it is allowed to, and must not hold a place meanwhile.
type answerBody struct {
	io.ReadCloser

	ctx  context.Context //nolint:containedctx // of the request, whose call it ends
	left int64           // of a declared length, or unknown
}

const unknown = -1

// endsCall makes the guard's call end with what resp brings. A status without a body
// ends it with the header; so does a connection that leaves HTTP, which holds a place
// of its own kind.
func endsCall(resp *http.Response, info *requestInfo) {
	ctx, grpc := resp.Request.Context(), isGRPC(resp.Header)
	if resp.StatusCode == http.StatusSwitchingProtocols || resp.Body == http.NoBody || resp.ContentLength == 0 && !grpc {
		protect.EndCall(ctx)
		return
	}
	body := &info.answer
	body.ReadCloser, body.ctx, body.left = resp.Body, ctx, unknown
	if info.upload == nil && !grpc { // the truth of gRPC comes after the body, also after an empty one
		body.left = resp.ContentLength
	}
	resp.Body = body
}

// Read implements io.Reader. A declared answer that fits into p is read to its end
// first: by pieces, the client would have to take one before the next is read.
func (b *answerBody) Read(p []byte) (n int, err error) {
	for {
		var m int
		m, err = b.ReadCloser.Read(p[n:])
		n += m
		if b.left >= int64(m) {
			b.left -= int64(m)
		} else {
			b.left = unknown
		}
		if err != nil || m == 0 || b.left <= 0 || b.left > int64(len(p)-n) {
			break
		}
	}
	if errors.Is(err, io.EOF) || b.left == 0 {
		protect.EndCall(b.ctx)
	}
	return n, err
}
