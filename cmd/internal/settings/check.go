package settings

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/hostname"
	"github.com/elixirscope/foundation/internal/routing"
	"github.com/elixirscope/foundation/internal/suggest"
)

// minToken is the least length of a token: shorter ones can be guessed.
const minToken = 16

func (k *checker) admin() {
	a := AdminOf(k.c)
	k.tls("admin.tls", a.TLS)
	seen := map[string]bool{}
	for i, t := range a.Tokens {
		at := field("admin.tokens").index(i)
		k.name(at.key("name"), t.Name)
		if seen[t.Name] {
			k.add(at.key("name"), t.Name, "two tokens have this name")
		}
		seen[t.Name] = true
		if len(t.Token) < minToken {
			k.add(at.key("token"), "", "must have at least %d characters", minToken)
		}
		if t.Role != RoleRead && t.Role != RoleWrite {
			k.add(at.key("role"), t.Role, "must be read or write%s", suggest.For(t.Role, []string{RoleRead, RoleWrite}))
		}
	}
	if a.Listen == ListenOff || !k.address("admin.listen", a.Listen) {
		return
	}
	if !loopback(a.Listen) && len(a.Tokens) > 0 && a.TLS == nil {
		k.warn("admin.listen", a.Listen, "others can reach this address, and tokens cross the network in the clear: set admin.tls, or listen on 127.0.0.1")
	}
	mutual := a.TLS != nil && a.TLS.ClientCAFile != ""
	if !loopback(a.Listen) && len(a.Tokens) == 0 && !mutual {
		k.add("admin.listen", a.Listen, "others can reach this address: set admin.tokens or admin.tls.client_ca_file, or listen on 127.0.0.1")
	}
}

// listeners checks the addresses of the other listeners, and that no two are
// the same.
func (k *checker) listeners() {
	if ProbesOf(k.c).Listen != "" {
		k.address("probes.listen", ProbesOf(k.c).Listen)
	}
	uses := []struct {
		at     field
		listen string
	}{{"admin.listen", AdminOf(k.c).Listen}, {"probes.listen", ProbesOf(k.c).Listen}}
	if g := GatewayOf(k.c); g != nil {
		uses = append(uses, struct {
			at     field
			listen string
		}{"gateway.listen", g.WithDefaults().Listen})
	}
	for i, a := range uses {
		for _, b := range uses[:i] {
			if a.listen == b.listen && a.listen != "" && !strings.HasSuffix(a.listen, ":0") {
				k.add(a.at, a.listen, "is also %s", b.at)
			}
		}
	}
}

// address checks a host:port to listen on.
func (k *checker) address(at field, listen string) bool {
	host, port, err := net.SplitHostPort(listen)
	_, numeric := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil:
		k.add(at, listen, `invalid address; write host:port, as in "127.0.0.1:8080" or ":8080"`)
	case numeric != nil:
		k.add(at, listen, "the port must be a number from 0 to 65535")
	case strings.ContainsAny(host, " /"):
		k.add(at, listen, "invalid host %q", host)
	default:
		return true
	}
	return false
}

// loopback reports whether only this machine can reach the address.
func loopback(listen string) bool {
	host, _, _ := net.SplitHostPort(listen)
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

func (k *checker) tls(at field, t *TLS) {
	if t == nil {
		return
	}
	if t.CertFile == "" {
		k.add(at.key("cert_file"), "", "is missing")
	}
	if t.KeyFile == "" {
		k.add(at.key("key_file"), "", "is missing")
	}
}

func (k *checker) gateway(g *Gateway) {
	d := g.WithDefaults()
	k.address("gateway.listen", d.Listen)
	k.tls("gateway.tls", g.TLS)
	for i, p := range g.TrustedProxies {
		_, network := netip.ParsePrefix(p)
		if _, single := netip.ParseAddr(p); network != nil && single != nil {
			k.add(field("gateway.trusted_proxies").index(i), p, `invalid address or network; write for example "10.0.0.0/8"`)
		}
	}
	switch d.AccessLog.Mode {
	case AccessLogOff, AccessLogSampled, AccessLogAll:
	default:
		k.add("gateway.access_log.mode", d.AccessLog.Mode, "must be off, sampled or all%s",
			suggest.For(d.AccessLog.Mode, []string{AccessLogOff, AccessLogSampled, AccessLogAll}))
	}
	if s := d.AccessLog.Sample; !(s >= 0 && s <= 1) {
		k.add("gateway.access_log.sample", fmt.Sprint(s), "must be above 0 and at most 1")
	}
	if n := g.Limits.MaxConnectionsPerClient; n < 0 {
		k.add("gateway.limits.max_connections_per_client", strconv.Itoa(n), "must be at least 0, which means no limit")
	}
	for i := range g.Routes {
		k.route(field("gateway.routes").index(i), &g.Routes[i])
	}
	k.patterns(g.Routes)
	k.hedges(g.Routes)
	k.routeNames(g.Routes)
}

// routeNames checks the names that routes have been given. A match always has a slash,
// so that no name can be another route's match.
func (k *checker) routeNames(routes []Route) {
	first := make(map[string]int, len(routes))
	for i := range routes {
		at, name := field("gateway.routes").index(i).key("name"), routes[i].Name
		if name == "" {
			continue
		}
		k.name(at, name)
		if before, again := first[name]; again {
			other := field("gateway.routes").index(before).key("name")
			k.add(at, name, "the same name as %s", k.where(other))
			continue
		}
		first[name] = i
	}
}

// where names a field and its place in the document, if it has one.
func (k *checker) where(at field) string {
	if pos := k.c.Position(string(at)); pos != "" {
		return string(at) + " at " + pos
	}
	return string(at)
}

func (k *checker) route(at field, r *Route) {
	k.upstreams(at, r)
	if k.refersToGuard(at.key("guard"), r.Guard) && k.c.Guards[r.Guard].Pool != "" {
		k.add(at.key("guard"), r.Guard, "the guard has a pool, whose workers a route cannot use; name a guard without one")
	}
	parts, err := ParseKey(r.Key)
	k.part(at, err)
	if err == nil {
		k.keyedByClient(at, r, parts)
		k.held(at, r, parts)
	}
	k.priority(at.key("priority"), r.Priority)
	if r.StripPrefix != "" && !strings.HasPrefix(r.StripPrefix, "/") {
		k.add(at.key("strip_prefix"), r.StripPrefix, "must begin with /")
	}
	if r.TLS != nil && (r.TLS.CertFile == "") != (r.TLS.KeyFile == "") {
		k.add(at.key("tls"), "", "cert_file and key_file belong together")
	}
}

// priority checks a route's priority: one of the words, or a header's template.
func (k *checker) priority(at field, text string) {
	if text == "" {
		return
	}
	if strings.HasPrefix(text, "{") {
		part, problem := parseKeyPart(text)
		if problem != "" || part.Kind != KeyHeader {
			k.add(at, text, "must be a priority or {header:NAME}")
		}
		return
	}
	var p guard.Priority
	if err := p.UnmarshalText([]byte(text)); err != nil {
		k.add(at, text, "%v", err)
	}
}

// keyedByClient warns of a limit that a client escapes by sending another
// header: no rule above it counts by address.
func (k *checker) keyedByClient(at field, r *Route, parts []KeyPart) {
	name := k.c.Guards[r.Guard].RateLimit
	rule, ok := k.c.RateLimits[name]
	if !ok || !chosenByClient(parts, rule) {
		return
	}
	for steps := 0; rule.Parent != "" && steps < len(k.c.RateLimits); steps++ {
		if rule, ok = k.c.RateLimits[rule.Parent]; !ok {
			return
		}
		if byAddress(parts, rule) {
			return
		}
	}
	k.warn(at.key("key"), r.Key, "a client escapes rate limit %q by changing what it sends; "+
		"put {remote_ip} first and give the rule a parent with parts: 1", name)
}

// held checks what one key may hold, and warns where one client can hold all of what
// others wait for.
func (k *checker) held(at field, r *Route, parts []KeyPart) {
	at = at.key("max_in_flight_per_key")
	switch n := r.MaxInFlightPerKey; {
	case n > 0 && len(parts) == 0:
		k.add(at, strconv.Itoa(n), "needs a key, as in key: \"{remote_ip}\": without one all clients share the limit")
	case n > 0 && !has(parts, KeyRemoteIP) && fromClient(parts):
		k.warn(at, strconv.Itoa(n), "a client escapes it by changing what it sends; a key that has {remote_ip} counts by address")
	case n == 0 && fromClient(parts) && k.c.Guards[r.Guard].Concurrency > 0:
		k.warn(at, "", "one client can hold all %d places of guard %q: set it, or 0 to say that no limit is meant",
			k.c.Guards[r.Guard].Concurrency, r.Guard)
	}
}

// fromClient reports whether a key tells clients apart.
func fromClient(parts []KeyPart) bool {
	return has(parts, KeyRemoteIP) || has(parts, KeyHeader) || has(parts, KeyCookie)
}

func has(parts []KeyPart, kind KeyKind) bool {
	return slices.ContainsFunc(parts, func(p KeyPart) bool { return p.Kind == kind })
}

// used returns the parts of a key by which the rule counts.
func used(parts []KeyPart, rule config.RateLimit) []KeyPart {
	n := max(0, rule.Parts) // negative counts everything together
	if rule.Parts == 0 {
		n = MaxKeyParts
	}
	return parts[:min(n, len(parts))]
}

func chosenByClient(parts []KeyPart, rule config.RateLimit) bool {
	for _, p := range used(parts, rule) {
		if p.Kind == KeyHeader || p.Kind == KeyCookie {
			return true
		}
	}
	return false
}

func byAddress(parts []KeyPart, rule config.RateLimit) bool {
	for _, p := range used(parts, rule) {
		if p.Kind == KeyRemoteIP {
			return !chosenByClient(parts, rule)
		}
	}
	return false
}

// patterns checks the routes' patterns with the mux that will serve them, each
// against those before it.
func (k *checker) patterns(routes []Route) {
	normal := make([]string, len(routes)) // what is served
	first := make(map[string]int, len(routes))
	for i := range routes {
		normal[i], _ = hostname.Pattern(routes[i].Match)
	}
	all := routing.New(normal)
	for i := range routes {
		at := field("gateway.routes").index(i).key("match")
		if routes[i].Match == "" {
			k.add(at, "", `is missing: a pattern such as "/" or "GET /payments/"`)
			continue
		}
		if _, port := hostname.Pattern(routes[i].Match); port != "" {
			k.add(at, routes[i].Match, "invalid pattern: its host must have no port, which no request is routed by")
			continue
		}
		if _, again := first[normal[i]]; !again {
			first[normal[i]] = i
		}
		err := all.Handle(normal[i], http.NotFoundHandler())
		if c, ok := errors.AsType[*routing.ConflictError](err); ok {
			k.conflict(at, routes, first[c.With], i)
			continue
		}
		if err != nil {
			k.add(at, routes[i].Match, "%v", err)
		}
	}
}

func (k *checker) conflict(at field, routes []Route, first, second int) {
	where := k.where(field("gateway.routes").index(first).key("match"))
	if same(routes[first].Match, routes[second].Match) {
		k.add(at, routes[second].Match, "the same pattern as %s", where)
		return
	}
	k.add(at, routes[second].Match, "conflicts with %s (%s): some requests match both, and neither is more specific", where, routes[first].Match)
}

func same(a, b string) bool {
	a, _ = hostname.Pattern(a)
	b, _ = hostname.Pattern(b)
	return a == b
}
