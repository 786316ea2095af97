// Package errclass names the errors of calls over a network, so that a list of last
// errors says dns, and not *net.OpError.
//
// Types are told by their names: whoever needs the class of an error, as every breaker
// does, must not link packages net and crypto/tls for it.
package errclass

import (
	"context"
	"errors"
	"strconv"

	"github.com/elixirscope/foundation/internal/errtree"
)

// Class is what kind of failure an error is; "" is none of those that are known. The
// names are a contract: they stand in metrics, logs and the admin API.
type Class string

// The classes of [Of], each of which goes before those below it where an error has
// several: a lookup that timed out is dns.
const (
	DNS      Class = "dns"      // the name was not found, or the lookup failed
	TLS      Class = "tls"      // a certificate is not accepted, or the handshake failed
	Protocol Class = "protocol" // the answer breaks the rules of its protocol
	Timeout  Class = "timeout"  // a time limit passed
	Refused  Class = "refused"  // nobody listens, or no route leads there
	Reset    Class = "reset"    // the connection, or the stream, was broken off
	EOF      Class = "eof"      // the connection ended before the answer did
)

// ranks are in the order in which a class decides.
var ranks = [...]Class{DNS, TLS, Protocol, Timeout, Refused, Reset, EOF}

// NamedError is an error whose class is known where it is made.
type NamedError struct {
	Class Class
	Text  string
}

// Error implements error.
func (n *NamedError) Error() string { return n.Text }

// Status is the error of an answer whose status alone says that it failed.
func Status(status int) error {
	n := strconv.Itoa(status)
	return &NamedError{Class("status_" + n), "the answer has status " + n}
}

// Of returns the class of err. What the caller did itself, cancellation, has none. It
// looks through whatever wraps the reason, and calls the methods of the errors.
func Of(err error) Class {
	if err == nil || !errtree.Joins(err) && errors.Is(err, context.Canceled) {
		return ""
	}
	if n, ok := errors.AsType[*NamedError](err); ok {
		return n.Class
	}
	best := len(ranks)
	lookThrough(err, &best)
	if best == len(ranks) {
		return ""
	}
	return ranks[best]
}
