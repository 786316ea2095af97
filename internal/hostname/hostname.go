// Package hostname brings the hosts of requests and of the patterns of routes into
// one form, so that they compare as names of the DNS do. An upstream that does not
// care for case would serve what no route leads to otherwise.
package hostname

import (
	"net/netip"
	"strings"
)

// Split takes a Host header apart: the name in lower case without a dot at its end,
// or an IP address in its canonical form, an IPv6 one in brackets; and the port with
// its colon, or "". What is neither is returned as it is. A name of non-ASCII letters
// comes in its ASCII form (xn--…) and is left so. It allocates only where it changes
// something.
func Split(hostport string) (host, port string) {
	host = hostport
	if i := strings.LastIndexByte(hostport, ':'); i >= 0 && i > strings.LastIndexByte(hostport, ']') && digits(hostport[i+1:]) {
		host, port = hostport[:i], hostport[i:]
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		return bracketed(inner, host), port
	}
	if strings.IndexByte(host, ':') >= 0 { // an IPv6 address without brackets, or nothing
		return hostport, ""
	}
	return lower(strings.TrimSuffix(host, ".")), port
}

func bracketed(inner, host string) string {
	inner, _ = strings.CutSuffix(inner, "]")
	addr, err := netip.ParseAddr(inner)
	if err != nil || !addr.Is6() {
		return lower(host)
	}
	return "[" + addr.String() + "]"
}

func digits(text string) bool {
	return strings.Trim(text, "0123456789") == ""
}

// lower changes ASCII letters only: bytes beyond them are no part of a name that
// the DNS knows, and must not become one.
func lower(text string) string {
	if !strings.ContainsFunc(text, upper) {
		return text
	}
	changed := []byte(text)
	for i, c := range changed {
		if upper(rune(c)) {
			changed[i] = c + 'a' - 'A'
		}
	}
	return string(changed)
}

func upper(r rune) bool { return 'A' <= r && r <= 'Z' }

// Pattern brings the host of a pattern of net/http's ServeMux into the same form:
// "GET API.example.org./v1/" becomes "GET api.example.org/v1/". A port of the host is
// returned beside it: the mux compares none, so that no request would match it.
func Pattern(pattern string) (normal, port string) {
	begin := strings.LastIndexAny(pattern[:max(0, strings.IndexByte(pattern, '/'))], " \t") + 1
	end := strings.IndexByte(pattern, '/')
	if end <= begin {
		return pattern, "" // without a host, or no pattern
	}
	host, port := Split(pattern[begin:end])
	return pattern[:begin] + host + pattern[end:], port
}
