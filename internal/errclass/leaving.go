package errclass

import "strings"

// Leaving reports whether err is that of a server that closed a connection of HTTP/2 in
// good order, as one does that is deployed, without having taken the request. The
// transport sends such a request again, unless some of its body is gone; that it was on its
// way just then says nothing about the server's health. net/http has no type for it.
func Leaving(err error) bool {
	return strings.Contains(err.Error(), "graceful shutdown GOAWAY")
}
