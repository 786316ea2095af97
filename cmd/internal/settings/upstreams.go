package settings

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/elixirscope/foundation/health"
)

// The bounds of a route's hosts.
const (
	// MaxUpstreams is how many hosts a route may have, listed or found in the DNS.
	MaxUpstreams = 64

	minDNSEvery, maxDNSEvery       = time.Second, time.Hour
	minEjectWindow, maxEjectWindow = time.Second, 10 * time.Minute
	minEjectFor                    = 100 * time.Millisecond
)

// Several reports whether requests of the route are spread over hosts, as many as there may be.
func (r *Route) Several() bool { return r.DNS != "" || len(r.Upstreams) > 1 }

// Targets returns the URLs of the route: of its upstream, its upstreams, or the one whose host
// is looked up.
func (r *Route) Targets() []string {
	switch {
	case r.DNS != "":
		return []string{r.DNS}
	case len(r.Upstreams) > 0:
		return r.Upstreams
	}
	return []string{r.Upstream}
}

// HostPort is the host of an upstream as hosts are compared: in lower case, with its port.
func HostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// upstreams checks where the requests of a route go.
func (k *checker) upstreams(at field, r *Route) {
	first := field("")
	for _, form := range []struct {
		name string
		set  bool
	}{{"upstream", r.Upstream != ""}, {"upstreams", len(r.Upstreams) > 0}, {"dns", r.DNS != ""}} {
		switch {
		case !form.set:
		case first != "":
			k.add(at.key(form.name), "", "a route has one of upstream, upstreams and dns, and this one has %s as well", first)
		default:
			first = field(form.name)
		}
	}
	if first == "" {
		k.add(at.key("upstream"), "", `is missing: the URL that requests go to, as in "http://127.0.0.1:9000"; or upstreams, or dns`)
	}
	if r.Upstream != "" {
		k.upstream(at.key("upstream"), r, r.Upstream)
	}
	k.upstreamList(at.key("upstreams"), r)
	k.dns(at, r)
	k.eject(at.key("eject"), r)
	k.upstreamCheck(at.key("check"), r.Check)
}

// upstream checks one URL and returns what it says, nil if it is not valid.
func (k *checker) upstream(at field, r *Route, text string) *url.URL {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		k.add(at, text, `must be an http or https URL with a host, as in "http://127.0.0.1:9000"`)
	case u.RawQuery != "" || u.Fragment != "":
		k.add(at, text, "must have no query and no fragment")
	case u.User != nil:
		k.add(at, "", "must hold no user and password")
	case r.TLS != nil && u.Scheme != "https":
		k.add(at, text, "has tls settings, so it must begin with https://")
	case r.H2C && u.Scheme != "http":
		k.add(at, text, "h2c is HTTP/2 without TLS, so it must begin with http://")
	default:
		return u
	}
	return nil
}

func (k *checker) upstreamList(at field, r *Route) {
	if len(r.Upstreams) > MaxUpstreams {
		k.add(at, "", "are %d; a route has at most %d", len(r.Upstreams), MaxUpstreams)
	}
	var first *url.URL
	seen := make(map[string]int, len(r.Upstreams))
	for i, text := range r.Upstreams {
		at := at.index(i)
		u := k.upstream(at, r, text)
		if u == nil {
			continue
		}
		if first == nil {
			first = u
		}
		host := HostPort(u)
		before, again := seen[host]
		switch {
		case again:
			k.add(at, text, "the same host as upstreams[%d]", before)
		case u.Scheme != first.Scheme:
			k.add(at, text, "must begin with %s://, as the others do: the hosts of a route are spoken to in one way", first.Scheme)
		case strings.TrimSuffix(u.EscapedPath(), "/") != strings.TrimSuffix(first.EscapedPath(), "/"):
			k.add(at, text, "must have the path %q, as the others have: the hosts of a route serve the same", first.EscapedPath())
		}
		if !again {
			seen[host] = i
		}
	}
}

func (k *checker) dns(at field, r *Route) {
	if r.DNS != "" {
		u := k.upstream(at.key("dns"), r, r.DNS)
		if u != nil {
			if _, err := netip.ParseAddr(u.Hostname()); err == nil {
				k.add(at.key("dns"), r.DNS, "is an address, which is not looked up: write it as upstream")
			}
		}
	}
	switch every := r.DNSEvery; {
	case every == 0:
	case r.DNS == "":
		k.add(at.key("dns_every"), every.String(), "says how often dns is looked up, and the route has none")
	case every < minDNSEvery || every > maxDNSEvery:
		k.add(at.key("dns_every"), every.String(), "must lie between %v and %v", minDNSEvery, maxDNSEvery)
	}
}

func (k *checker) eject(at field, r *Route) {
	e := r.Eject
	if e != (Eject{}) && !e.Off && r.Upstream != "" {
		k.warn(at, "", "has no effect: the only host of a route is never ejected; write upstreams or dns")
	}
	d := e.WithDefaults()
	if e.Rate > 1 || e.Rate != e.Rate {
		k.add(at.key("rate"), fmt.Sprint(e.Rate), "must be at most 1")
	}
	if d.Window < minEjectWindow || d.Window > maxEjectWindow {
		k.add(at.key("window"), e.Window.String(), "must lie between %v and %v", minEjectWindow, maxEjectWindow)
	}
	if d.For < minEjectFor {
		k.add(at.key("for"), e.For.String(), "must be at least %v", minEjectFor)
	}
	if d.MaxFor < d.For {
		k.add(at.key("max_for"), e.MaxFor.String(), "must be at least for, which is %v", d.For)
	}
}

func (k *checker) upstreamCheck(at field, c *UpstreamCheck) {
	if c == nil {
		return
	}
	if !strings.HasPrefix(c.Path, "/") {
		k.add(at.key("path"), c.Path, `must begin with /, as in "/healthz"`)
	} else if u, err := url.Parse("http://host" + c.Path); err != nil || u.Fragment != "" || strings.HasPrefix(c.Path, "//") {
		k.add(at.key("path"), c.Path, "invalid path")
	}
	k.part(at, c.Health().Validate())
}

// Health returns how the check is run.
func (c *UpstreamCheck) Health() health.Config {
	return health.Config{Every: c.Every, Timeout: c.Timeout, FailAfter: c.FailAfter, PassAfter: c.PassAfter, Criticality: health.Optional}
}
