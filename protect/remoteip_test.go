package protect_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/elixirscope/foundation/protect"
)

func request(remote string, forwarded ...string) *http.Request {
	r := &http.Request{RemoteAddr: remote, Header: http.Header{}}
	if len(forwarded) > 0 {
		r.Header["X-Forwarded-For"] = forwarded
	}
	return r
}

var proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

func TestRemoteIP(t *testing.T) {
	for _, c := range []struct {
		about, remote string
		forwarded     []string
		want          string
	}{
		{"the peer", "192.0.2.1:4711", nil, "192.0.2.1"},
		{"an untrusted peer's field is a lie", "192.0.2.1:4711", []string{"1.2.3.4"}, "192.0.2.1"},
		{"a trusted proxy", "10.0.0.1:80", []string{"192.0.2.9"}, "192.0.2.9"},
		{"two trusted proxies", "10.0.0.1:80", []string{"192.0.2.9, 10.9.9.9"}, "192.0.2.9"},
		{"what the client wrote itself is ignored", "10.0.0.1:80", []string{"6.6.6.6, 192.0.2.9"}, "192.0.2.9"},
		{"several lines are one list", "10.0.0.1:80", []string{"6.6.6.6", "192.0.2.9", "10.1.1.1"}, "192.0.2.9"},
		{"all hops are trusted", "10.0.0.1:80", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"an unreadable hop ends the walk", "10.0.0.1:80", []string{"192.0.2.9, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"an empty hop ends the walk", "10.0.0.1:80", []string{"192.0.2.9,"}, "10.0.0.1"},
		{"ports and brackets", "[fd00::1]:80", []string{"[2001:db8::5]:9000, 10.0.0.2:1234"}, "2001:db8::5"},
		{"IPv4 inside IPv6 is IPv4", "[::ffff:10.0.0.1]:80", []string{"::ffff:192.0.2.9"}, "192.0.2.9"},
		{"a zone is ours, not the client's", "[fe80::1%eth0]:80", nil, "fe80::1"},
		{"no port", "192.0.2.1", nil, "192.0.2.1"},
	} {
		got := protect.RemoteIP(request(c.remote, c.forwarded...), proxies...)
		if got != netip.MustParseAddr(c.want) {
			t.Errorf("%s: %v, want %v", c.about, got, c.want)
		}
	}
	for _, remote := range []string{"", "@", "nonsense", "[::1", "1.2.3:4"} {
		if got := protect.RemoteIP(request(remote)); got.IsValid() && remote != "[::1" {
			t.Errorf("%q has address %v", remote, got)
		}
	}
}

func TestClientText(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::", "fe80::1%eth0": "fe80::",
	} {
		if got := protect.ClientText(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %q, want %q", addr, got, want)
		}
	}
	if got := protect.ClientText(netip.Addr{}); got != "" {
		t.Errorf("no address: %q", got)
	}
}

func FuzzRemoteIP(f *testing.F) {
	f.Add("10.0.0.1:80", "6.6.6.6, 192.0.2.9", "::1")
	f.Fuzz(func(t *testing.T, remote, first, second string) {
		got := protect.RemoteIP(request(remote, first, second), proxies...)
		if peer := protect.RemoteIP(request(remote)); !trusted(peer) && got != peer {
			t.Errorf("untrusted peer %v became %v", peer, got)
		}
		if got.Zone() != "" || got.Is4In6() {
			t.Errorf("%v is not canonical", got)
		}
	})
}

func trusted(a netip.Addr) bool { return proxies[0].Contains(a) || proxies[1].Contains(a) }
