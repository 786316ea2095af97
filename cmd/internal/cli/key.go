package cli

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/elixirscope/foundation/protect"
)

// keyArgument is a key as the gateway counts it: an address of a client stands for its
// network, or for the IPv4 address in it. What was made of it is said.
func (a *app) keyArgument(key string) string {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		text, err := url.PathUnescape(part)
		if err != nil {
			continue
		}
		addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
		if err != nil || !addr.Is6() {
			continue
		}
		parts[i] = strings.ReplaceAll(protect.ClientText(addr), "/", "%2F")
	}
	counted := strings.Join(parts, "/")
	if counted != key {
		fmt.Fprintf(a.env.Stderr, "The gateway counts this address as %s.\n", counted)
	}
	return counted
}
