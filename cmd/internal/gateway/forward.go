package gateway

import (
	"net"
	"net/http"
	"strings"
)

// forwarded holds the values of three headers, so that they cost no allocations
// of their own.
type forwarded struct{ client, host, scheme [1]string }

// forward tells the upstream for whom the request is. What earlier proxies said
// is passed on only if the last of them is trusted; out has none of it yet.
func (i *requestInfo) forward(out http.Header, in *http.Request) {
	f := &i.forwarded
	if !i.trusted {
		dropClaims(out)
	}
	if peer, _, err := net.SplitHostPort(in.RemoteAddr); err == nil {
		f.client[0] = peer
		out["X-Forwarded-For"] = f.client[:1:1]
	}
	f.host[0] = in.Host
	out["X-Forwarded-Host"] = f.host[:1:1]
	f.scheme[0] = "http"
	if in.TLS != nil {
		f.scheme[0] = "https"
	}
	out["X-Forwarded-Proto"] = f.scheme[:1:1]
	if i.trusted {
		f.goOn(out, in.Header)
	}
}

// dropClaims takes away what a client says of the way that its request has come:
// X-Forwarded-Port, -Prefix and whatever else upstreams believe, and X-Real-Ip; and the mark of
// an answer, which an upstream might send back.
func dropClaims(out http.Header) {
	for name := range out {
		if begins(name, "x-forwarded-") || begins(name, "x-real-ip") || begins(name, "foundation-retried") {
			delete(out, name)
		}
	}
}

// begins compares as upstreams may that turn header fields into variables, for
// which "_" and "-" are one.
func begins(name, prefix string) bool {
	if len(name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		c := name[i]
		switch {
		case c == '_':
			c = '-'
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}

// goOn continues what a trusted proxy has said.
func (f *forwarded) goOn(out, said http.Header) {
	if hops := said["X-Forwarded-For"]; len(hops) > 0 {
		f.client[0] = strings.Join(hops, ", ") + ", " + f.client[0]
	}
	for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values := said[name]; len(values) > 0 {
			out[name] = values
		}
	}
}
