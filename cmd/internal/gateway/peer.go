package gateway

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/protect"
)

// peers knows which machines in front of the gateway are believed when they
// say for whom they speak.
type peers struct {
	trusted []netip.Prefix
}

// client returns the address that a request comes from, as protect.RemoteIP
// finds it, and whether the machine at the other end of the connection is trusted.
func (p peers) client(r *http.Request) (addr netip.Addr, trusted bool) {
	if addr = protect.RemoteIP(r); !p.trusts(addr) {
		return addr, false
	}
	return protect.RemoteIP(r, p.trusted...), true
}

func (p peers) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(p.trusted, func(t netip.Prefix) bool { return t.Contains(addr) })
}

// clientText is protect.ClientText. peer is the address and port of the connection,
// whose text serves where it says the same.
func clientText(addr netip.Addr, peer string) string {
	if addr.Is4() {
		var buf [len("255.255.255.255")]byte
		if host, _, _ := strings.Cut(peer, ":"); host == string(addr.AppendTo(buf[:0])) {
			return host
		}
	}
	return protect.ClientText(addr)
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
