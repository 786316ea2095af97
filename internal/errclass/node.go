package errclass

import (
	"io"
	"reflect"
	"slices"
	"strings"
	"syscall"
)

// node is one error of a tree, apart from what it wraps.
type node struct {
	error
	name string // of its type, with that of the package and without a pointer
	text string // of an error that has a type in common with many others, and else ""
}

// lookThrough lowers best to the rank of err and of all that it wraps.
func lookThrough(err error, best *int) {
	if v := reflect.ValueOf(err); v.Kind() == reflect.Pointer && v.IsNil() {
		return // whose methods nobody may call
	}
	n := nodeOf(err)
	for i := range *best {
		if n.is(ranks[i]) {
			*best = i
			break
		}
	}
	switch x := err.(type) { //nolint:errorlint // the tree itself is walked
	case interface{ Unwrap() error }:
		if next := x.Unwrap(); next != nil {
			lookThrough(next, best)
		}
	case interface{ Unwrap() []error }:
		for _, next := range x.Unwrap() {
			if next != nil {
				lookThrough(next, best)
			}
		}
	}
}

func nodeOf(err error) node {
	n := node{error: err, name: strings.TrimPrefix(reflect.TypeOf(err).String(), "*")}
	for _, common := range []string{"errors.", "fmt.", "http.", "http2."} {
		if strings.HasPrefix(n.name, common) {
			n.text = strings.TrimPrefix(err.Error(), "http2: Transport: cannot retry err [")
		}
	}
	return n
}

func (n node) is(c Class) bool {
	switch c {
	case DNS:
		return n.name == "net.DNSError"
	case TLS:
		return n.isTLS()
	case Protocol:
		return n.isProtocol()
	case Timeout:
		t, ok := n.error.(interface{ Timeout() bool })
		return ok && t.Timeout()
	case Refused:
		return n.isErrno(refused)
	case Reset:
		return n.isErrno(reset) || n.isReset()
	case EOF:
		return n.error == io.EOF || n.error == io.ErrUnexpectedEOF || n.begins("http: server closed idle connection", "http: unexpected EOF") //nolint:errorlint // itself
	}
	return false
}

// isTLS knows what the other side, the handshake and the certificates bring. The time
// limits of package tls are timeouts.
func (n node) isTLS() bool {
	switch n.name {
	case "tls.AlertError", "tls.alert", "tls.RecordHeaderError", "tls.CertificateVerificationError", "tls.ECHRejectionError":
		return true
	}
	return strings.HasPrefix(n.name, "x509.") || n.begins("tls: ", "x509: ", "http: server gave HTTP response to HTTPS client")
}

// isProtocol knows most errors of net/http by their texts, because they have no types.
func (n node) isProtocol() bool {
	switch n.name {
	case "textproto.ProtocolError", "http.ProtocolError", "http.unsupportedTEError",
		"http.http2ConnectionError", "http2.ConnectionError", "http.http2connError":
		return true
	case "http.http2StreamError", "http2.StreamError":
		return !strings.HasSuffix(n.text, fromPeer)
	}
	return n.begins(brokenRules...) || strings.Contains(n.text, "looked like an HTTP/1.1 header")
}

// brokenRules are the beginnings of the texts of net/http that blame an answer.
var brokenRules = []string{
	"malformed HTTP ", "malformed chunked encoding", "malformed response from server", "invalid byte in chunk length", "http chunk length too large",
	"empty hex number for chunk length", "chunked encoding contains too much", "chunked line ends with bare LF", "invalid CR in chunked line",
	"http: suspiciously long trailer", "http: message cannot contain multiple", "net/http: server replied with more", "net/http: server response headers exceeded",
	"net/http: too many 1xx", "1xx informational response with END_STREAM", "http2: frame too large", "http2: client conn could not be established", "http2: response header list larger", "header list too large",
}

// fromPeer ends the text of a stream of HTTP/2 that the other side has reset; one that is
// reset here had broken the rules.
const fromPeer = "received from peer"

func (n node) isReset() bool {
	switch n.name {
	case "http.http2GoAwayError", "http2.GoAwayError":
		return true
	case "http.http2StreamError", "http2.StreamError":
		return strings.HasSuffix(n.text, fromPeer)
	}
	return n.begins("http2: client connection lost", "http2: Transport received Server's graceful shutdown GOAWAY", "http2: Transport received GOAWAY from server", "http2: client conn")
}

func (n node) isErrno(list []syscall.Errno) bool {
	errno, ok := n.error.(syscall.Errno) //nolint:errorlint // itself
	return ok && slices.Contains(list, errno)
}

// begins reports whether the text begins with one of the prefixes.
func (n node) begins(prefixes ...string) bool {
	return n.text != "" && slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(n.text, p) })
}
