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
		return
	}
	delete(out, "X-Real-Ip") // some upstreams believe it before X-Forwarded-For
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
