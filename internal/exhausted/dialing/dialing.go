// Package dialing tells that a connection was not made because this machine has run
// out of what it takes. It knows more than package exhausted, at the price of
// package net.
package dialing

import (
	"errors"
	"net"
	"strings"

	"github.com/elixirscope/foundation/internal/exhausted"
)

// Exhausted reports whether err says that a connection was not made because this
// machine has run out of something, and of what.
func Exhausted(err error) (reason string, ok bool) {
	if reason, ok := exhausted.By(err); ok {
		return reason, true
	}
	lookup, ok := errors.AsType[*net.DNSError](err)
	if !ok {
		return "", false
	}
	for _, text := range exhausted.Texts() { // it keeps of its cause only the text
		if strings.Contains(lookup.Err, text) {
			return text, true
		}
	}
	return "", false
}
