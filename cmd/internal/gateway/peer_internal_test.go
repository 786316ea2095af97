package gateway

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/elixirscope/foundation/protect"
)

func TestClientAddress(t *testing.T) {
	trusted, bad := parsePrefixes([]string{"10.0.0.0/8", "192.0.2.7", "fd00::/8"})
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	p := peers{trusted}
	for _, c := range []struct {
		name, remote string
		forwarded    []string
		want         string
		trusted      bool
	}{
		{"direct", "203.0.113.9:1234", nil, "203.0.113.9", false},
		{"direct, claims to speak for another", "203.0.113.9:1234", []string{"198.51.100.1"}, "203.0.113.9", false},
		{"through a trusted proxy", "10.1.1.1:1", []string{"198.51.100.1"}, "198.51.100.1", true},
		{"a trusted single address", "192.0.2.7:1", []string{"198.51.100.1"}, "198.51.100.1", true},
		{"through two trusted proxies", "10.1.1.1:1", []string{"198.51.100.1, 10.2.2.2"}, "198.51.100.1", true},
		{"a client that put lies in front", "10.1.1.1:1", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1", true},
		{"several header lines", "10.1.1.1:1", []string{"1.1.1.1", "198.51.100.1, 10.9.9.9"}, "198.51.100.1", true},
		{"a proxy that names nobody", "10.1.1.1:1", nil, "10.1.1.1", true},
		{"a hop that is no address", "10.1.1.1:1", []string{"198.51.100.1, unknown"}, "10.1.1.1", true},
		{"a hop with a port", "10.1.1.1:1", []string{"198.51.100.1:5555"}, "198.51.100.1", true},
		{"IPv6 in brackets", "[fd00::1]:1", []string{"[2001:db8::1]"}, "2001:db8::1", true},
		{"IPv4 in IPv6 clothing", "[::ffff:10.1.1.1]:1", []string{"198.51.100.1"}, "198.51.100.1", true},
		{"all hops trusted: the first", "10.1.1.1:1", []string{"10.3.3.3, 10.2.2.2"}, "10.3.3.3", true},
		{"a zone is not part of it", "[fe80::1%eth0]:1", nil, "fe80::1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			r.RemoteAddr = c.remote
			r.Header["X-Forwarded-For"] = c.forwarded
			got, trusted := p.client(r)
			if got.String() != c.want || trusted != c.trusted {
				t.Errorf("got %v, trusted %v; want %v, %v", got, trusted, c.want, c.trusted)
			}
		})
	}
}

func TestParsePrefixes_NamesWhatItCannotRead(t *testing.T) {
	_, bad := parsePrefixes([]string{"10.0.0.0/8", "ten", "10.0.0.0/99", "::1"})
	if len(bad) != 2 || bad[0] != "ten" || bad[1] != "10.0.0.0/99" {
		t.Errorf("bad = %q", bad)
	}
}

func TestClientText_CountsAnIPv6ClientByItsNetwork(t *testing.T) {
	for remote, want := range map[string]string{
		"203.0.113.9:1": "203.0.113.9", "[2001:db8:1:2:3::4]:1": "2001:db8:1:2::", "[::ffff:203.0.113.9]:1": "203.0.113.9", "@": "",
	} {
		addr := protect.RemoteIP(&http.Request{RemoteAddr: remote})
		if got := clientText(addr, remote); got != want {
			t.Errorf("%s: %q, want %q", remote, got, want)
		}
		if got := clientText(netip.MustParseAddr("198.51.100.7"), remote); got != "198.51.100.7" {
			t.Errorf("behind the proxy %s: %q", remote, got)
		}
	}
}
