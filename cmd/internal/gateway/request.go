package gateway

import (
	"net/http"
	"strings"

	"github.com/elixirscope/foundation/fault"
)

// badRequest says how a request is answered that must not reach the upstream.
type badRequest struct {
	status int
	detail string // for the client, which can do something about it
}

// examine finds what net/http's server lets through and its proxy and its transport
// refuse to send. They would report it like a failure of the upstream, which was
// never asked: it would count in the breaker, and even win the probe of a half-open
// one. So it is found before the guard, and costs neither a place nor a token.
//
// A new release of net/http may refuse more. What the transport reports then is
// told by [clientsFault], as far as its text says so.
func (rt *route) examine(r *http.Request) (badRequest, bool) {
	switch {
	case r.ProtoMajor >= 2 && !isToken(r.Method): // the server for HTTP/1 has checked it
		return badRequest{http.StatusBadRequest, "the method is not a token"}, true
	case !validHost(r.Host): // of :authority, or of a target in absolute form
		return badRequest{http.StatusBadRequest, "the host is not valid"}, true
	case r.ProtoMajor >= 2 && strings.IndexByte(r.URL.RawQuery, ' ') >= 0: // it would end the target in HTTP/1
		return badRequest{http.StatusBadRequest, "the query has a space"}, true
	}
	for name := range r.Trailer {
		if !isToken(name) {
			return badRequest{http.StatusBadRequest, "a name in the Trailer field is not a token"}, true
		}
	}
	if !isUpgrade(r) {
		return badRequest{}, false
	}
	return rt.examineUpgrade(strings.Join(r.Header["Upgrade"], ","))
}

// examineUpgrade looks at the protocols that a client offers. The proxy takes part
// in the change of one protocol only: it compares what the upstream chose with what
// was offered as a whole.
func (rt *route) examineUpgrade(offer string) (badRequest, bool) {
	several := false
	for protocol := range strings.SplitSeq(offer, ",") {
		name, version, versioned := strings.Cut(strings.Trim(protocol, " \t"), "/")
		if !isToken(name) || versioned && !isToken(version) {
			return badRequest{http.StatusBadRequest, "the Upgrade field does not name a protocol"}, true
		}
		several = several || len(protocol) < len(offer)
	}
	switch {
	case several:
		return badRequest{http.StatusNotImplemented, "an upgrade to one of several protocols is not supported: offer one"}, true
	case rt.h2c:
		return badRequest{http.StatusNotImplemented, http2Only}, true
	}
	return badRequest{}, false
}

// http2Only is told to a client that wants what only HTTP/1.1 has.
const http2Only = "this resource is served over HTTP/2 only, which has no upgrade to another protocol"

// refuseBad answers r, which passes no guard.
func (i *requestInfo) refuseBad(r *http.Request, bad badRequest) {
	if bad.status == http.StatusRequestHeaderFieldsTooLarge {
		i.flag(flagHeaderTooLarge)
	} else {
		i.flag(flagBadRequest)
	}
	i.hurry(r)
	writeProblemDetail(i, r, bad.status, fault.InvalidArgument, bad.detail)
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if !tokenBytes[s[i]] {
			return false
		}
	}
	return s != ""
}

// validHost reports whether host may go into a Host field or an :authority, as
// net/http checks it: it drops any other from a request in HTTP/1, and does not send
// the request in HTTP/2.
func validHost(host string) bool {
	for i := range len(host) {
		if !hostBytes[host[i]] {
			return false
		}
	}
	return true
}

var (
	tokenBytes = alphanumericAnd("!#$%&'*+-.^_`|~")
	hostBytes  = alphanumericAnd("!$%&()*+,-.:;=[']_~")
)

func alphanumericAnd(others string) (set [256]bool) {
	for c := range len(set) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
			set[c] = true
		default:
			set[c] = strings.IndexByte(others, byte(c)) >= 0
		}
	}
	return set
}
