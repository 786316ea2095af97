package gateway_test

import (
	"net/http"
	"testing"

	"golang.org/x/net/http2"
)

// FuzzNoClientOpensTheBreaker is the property of that name for bytes, which need not
// even be a request.
func FuzzNoClientOpensTheBreaker(f *testing.F) {
	for _, first := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", webSocket, stalledUpload, http2Get,
		"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
		"POST /read HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
	} {
		f.Add(false, first, uint8(closes))
		f.Add(true, first, uint8(reads))
	}
	w := newFrameWriter()
	_ = w.WriteSettings()
	f.Add(true, http2.ClientPreface+w.take(), uint8(resets))
	f.Fuzz(func(t *testing.T, h2c bool, text string, leave uint8) {
		over := overHTTP1
		if h2c {
			over = overH2C
		}
		url, change := upstreamOver(t, over, http.HandlerFunc(healthy))
		r := newRigTo(t, url, func(s *setup) {
			change(s)
			s.route.PreserveHost = true
		})
		r.fragile()
		r.write([]string{text}, false, farewell(leave)%farewells)
		if harm := r.harm(); harm != "" {
			t.Fatal(harm)
		}
	})
}
