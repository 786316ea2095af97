package gateway_test

import (
	"io"
	"net/http"
	"testing"
)

// An upload that its client spoils while the answer comes takes the connection to the
// upstream with it, and with that the rest of an answer whose length was declared. The
// upstream was blamed for it, unless the server had already told the context of the
// request that the client was gone; here it never does.
func TestRegression_ASpoiltUploadDuringTheAnswerIsNotTheUpstreams(t *testing.T) {
	for _, over := range []string{overHTTP1, overH2C} {
		t.Run("to "+over, func(t *testing.T) {
			url, change := upstreamOver(t, over, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer := http.NewResponseController(w)
				_ = answer.EnableFullDuplex()
				w.Header().Set("Content-Length", "60000")
				_, _ = w.Write(make([]byte, 40_000))
				_ = answer.Flush()
				_, _ = io.Copy(io.Discard, r.Body) // ends with the spoilt upload
				<-r.Context().Done()
			}))
			r := newRigTo(t, url, change)
			f := r.frames()
			f.send(1, false, ":method", "POST", "content-length", "10")
			if code := f.status(1); code != http.StatusOK {
				t.Fatal(code)
			}
			f.check(f.WriteData(1, true, []byte("hello"))) // five of the ten
			r.nobodyBlamed(1, true)
		})
	}
}
