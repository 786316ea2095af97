package gateway

import (
	"errors"
	"net/http"
	"strings"
)

// errOtherProtocol is an upstream's change to a protocol that was not offered. A
// client can offer what it likes; that the upstream did not understand it says
// nothing about its health.
var errOtherProtocol = errors.New("the upstream changed to another protocol than the one that was offered")

// streamResetError is how net/http hands out a reset of a stream of HTTP/2: an error of
// its own becomes any type that has the same fields.
type streamResetError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

// Error implements error.
func (streamResetError) Error() string { return "the stream was reset" }

// The codes of RFC 9113, section 7, that are about the request.
const (
	resetProtocolError  = 0x1
	resetHTTP11Required = 0xd
)

// clientsFault tells the errors of a round trip that are about the client's request
// and not about the upstream's health, and how they are answered. It is the second
// line behind [route.examine], for what only the transport, or the upstream, can
// find.
func clientsFault(err error) (badRequest, bool) {
	switch reset := (streamResetError{}); {
	case errors.Is(err, errHTTP2Only):
		return badRequest{http.StatusNotImplemented, http2Only}, true
	case errors.Is(err, errOtherProtocol):
		return badRequest{http.StatusNotImplemented, "the upgrade that was offered is not supported"}, true
	case errors.As(err, &reset) && reset.Code == resetProtocolError:
		return badRequest{http.StatusBadRequest, "the request is malformed"}, true
	case errors.As(err, &reset) && reset.Code == resetHTTP11Required:
		return badRequest{http.StatusNotImplemented, "this resource needs HTTP/1.1"}, true
	}
	return unsendable(err.Error())
}

// unsendable reads from the text of an error that net/http's transport did not send
// the request, because the errors have no types. Whoever fails to connect, or breaks
// off, says it in other words.
func unsendable(text string) (badRequest, bool) {
	if strings.Contains(text, "request header list larger than peer's advertised limit") {
		return badRequest{http.StatusRequestHeaderFieldsTooLarge, "the header is larger than what the upstream takes"}, true
	}
	for _, prefix := range []string{
		"net/http: invalid header ", "net/http: invalid trailer ", "net/http: invalid method ", "net/http: can't write control character",
		"http: invalid Host header", "http2: invalid ", "invalid Trailer key", "client tried to switch to invalid protocol", "idna: ", "http2: idna: ",
	} {
		if strings.HasPrefix(text, prefix) {
			return badRequest{http.StatusBadRequest, "the request is malformed"}, true
		}
	}
	return badRequest{}, false
}
