package protect

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/ratelimit"
)

// RemoteIP returns the address of the client that sent r: the peer of the TCP
// connection, unless that is one of the trusted proxies. Then X-Forwarded-For is
// read from its end, where the trusted ones wrote, and the first address that is
// not trusted is the client. What an untrusted sender wrote into the field is
// never believed. The result is invalid if the connection has no address, as on
// a unix socket without a proxy's field.
func RemoteIP(r *http.Request, trusted ...netip.Prefix) netip.Addr {
	addr, _ := parseAddr(r.RemoteAddr)
	if len(trusted) == 0 || !isTrusted(addr, trusted) {
		return addr
	}
	return forwardedFor(r.Header["X-Forwarded-For"], addr, trusted)
}

// forwardedFor walks the hops from the nearest to the farthest. A hop that can't
// be read ends the walk at the last one that was vouched for: what lies beyond
// it was written by nobody we know.
func forwardedFor(lines []string, nearest netip.Addr, trusted []netip.Prefix) netip.Addr {
	for _, rest := range slices.Backward(lines) {
		for more := true; more; {
			var hop string
			rest, hop, more = cutLast(rest)
			addr, ok := parseAddr(strings.Trim(hop, " \t"))
			if !ok {
				return nearest
			}
			if nearest = addr; !isTrusted(addr, trusted) {
				return addr
			}
		}
	}
	return nearest
}

func cutLast(list string) (before, last string, found bool) {
	if i := strings.LastIndexByte(list, ','); i >= 0 {
		return list[:i], list[i+1:], true
	}
	return "", list, false
}

func isTrusted(addr netip.Addr, trusted []netip.Prefix) bool {
	for _, p := range trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// parseAddr reads an address with or without a port. IPv4 inside IPv6 becomes
// plain IPv4, so that a client is one client whatever the listener is; a zone is
// dropped, because it names our interface and not the client.
func parseAddr(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(trimPort(s))
	if err != nil {
		return netip.Addr{}, false
	}
	return addr.Unmap().WithZone(""), true
}

// trimPort cuts a port and the brackets of IPv6. A bare IPv6 address has several
// colons and no brackets and is left alone.
func trimPort(s string) string {
	if strings.HasPrefix(s, "[") {
		inside, _, _ := strings.Cut(s[1:], "]")
		return inside
	}
	if i := strings.IndexByte(s, ':'); i >= 0 && i == strings.LastIndexByte(s, ':') {
		return s[:i]
	}
	return s
}

// ClientText is the text by which [KeyByRemoteIP] counts a client, for keys that
// have further parts: the address or, for IPv6, that of its /64 network, without
// the length, because "/" divides the parts of a key. It is empty if addr is
// invalid.
//
//	ratelimit.KeyOf("org", org, protect.ClientText(protect.RemoteIP(r, proxies...)))
func ClientText(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	switch {
	case !addr.IsValid():
		return ""
	case addr.Is6():
		network, _ := addr.Prefix(ipv6Bits) // 64 bits are legal for any IPv6 address
		addr = network.Addr()
	}
	return addr.String()
}

// ipv6Bits is how much of an IPv6 address makes one client: a provider gives
// every customer a /64 at least, so finer counting would count nobody.
const ipv6Bits = 64

// remoteIPKey returns the key of the client's address. For IPv4 it refers to
// the text of r.RemoteAddr and allocates nothing.
func remoteIPKey(r *http.Request, trusted []netip.Prefix) ratelimit.Key {
	host := trimPort(r.RemoteAddr)
	addr := RemoteIP(r, trusted...)
	if !addr.IsValid() {
		return ratelimit.KeyOf(host)
	}
	if addr.Is4() {
		if peer, err := netip.ParseAddr(host); err == nil && peer == addr {
			return ratelimit.KeyOf(host)
		}
	}
	return ratelimit.KeyOf(ClientText(addr))
}
