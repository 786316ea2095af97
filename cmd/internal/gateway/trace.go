package gateway

import (
	"net/http"
	"strings"
)

// The fields of the W3C's Trace Context.
const (
	traceparentHeader = "Traceparent"
	tracestateHeader  = "Tracestate"
)

// takeTrace makes the request carry the trace that its client has named, in what is
// logged and emitted of it. It reports false if the field is malformed, or there several
// times: then neither it nor the state that belongs to it is passed on.
func (i *requestInfo) takeTrace(h http.Header) bool {
	said := h[traceparentHeader]
	switch len(said) {
	case 0:
		return true
	case 1:
		return i.SetTrace(said[0], strings.Join(h[tracestateHeader], ","))
	}
	return false
}

// dropTrace takes away from a request what is not to be trusted.
func dropTrace(h http.Header) {
	delete(h, traceparentHeader)
	delete(h, tracestateHeader)
}
