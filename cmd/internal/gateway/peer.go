package gateway

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// peers knows which machines in front of the gateway are believed when they
// say for whom they speak.
type peers struct {
	trusted []netip.Prefix
}

// client returns the address that a request comes from and whether the machine
// at the other end of the connection is trusted. X-Forwarded-For is read from
// the right, because everything left of the first untrusted address is
// whatever that one chose to write.
func (p peers) client(r *http.Request) (addr netip.Addr, trusted bool) {
	addr = remoteAddr(r.RemoteAddr)
	if !p.trusts(addr) {
		return addr, false
	}
	hops := forwardedFor(r.Header)
	for _, hop := range slices.Backward(hops) {
		ip, ok := parseHop(hop)
		if !ok {
			break // a hop that cannot be read ends what can be believed
		}
		addr = ip
		if !p.trusts(ip) {
			break
		}
	}
	return addr, true
}

func (p peers) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(p.trusted, func(t netip.Prefix) bool { return t.Contains(addr) })
}

func remoteAddr(hostport string) netip.Addr {
	ap, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

func forwardedFor(h http.Header) []string {
	var hops []string
	for _, line := range h.Values("X-Forwarded-For") {
		hops = append(hops, strings.Split(line, ",")...)
	}
	return hops
}

func parseHop(hop string) (netip.Addr, bool) {
	hop = strings.TrimSpace(hop)
	if ip, err := netip.ParseAddr(strings.Trim(hop, "[]")); err == nil {
		return ip.Unmap().WithZone(""), true
	}
	ap, err := netip.ParseAddrPort(hop)
	return ap.Addr().Unmap().WithZone(""), err == nil
}

// clientText is the address as a key: an IPv6 client owns at least its /64, so
// counting single addresses would count nothing. peer is the address and port of
// the connection, whose text serves where it says the same.
func clientText(addr netip.Addr, peer string) string {
	if !addr.IsValid() {
		return ""
	}
	if addr.Is4() {
		var buf [len("255.255.255.255")]byte
		text := addr.AppendTo(buf[:0])
		if host, _, _ := strings.Cut(peer, ":"); host == string(text) {
			return host
		}
		return string(text)
	}
	prefix, _ := addr.Prefix(64) // 64 bits fit into every IPv6 address
	return prefix.String()
}

// parsePrefixes reads addresses and CIDR prefixes.
func parsePrefixes(texts []string) (prefixes []netip.Prefix, bad []string) {
	for _, text := range texts {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			prefixes = append(prefixes, prefix.Masked())
			continue
		}
		addr, err := netip.ParseAddr(text)
		if err != nil {
			bad = append(bad, text)
			continue
		}
		prefixes = append(prefixes, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
	}
	return prefixes, bad
}
