package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"hash/maphash"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/cmd/internal/upstreams"
)

// Resolver finds the addresses of a name; [net.Resolver] is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	lookupTimeout = 5 * time.Second
	// lookupAgain is how soon a lookup that failed is made again, if it is not due sooner.
	lookupAgain = 5 * time.Second
)

// naming is what the configuration says of the name that the hosts of a route have.
type naming struct {
	url    *url.URL
	every  time.Duration
	id     peerID // of a host, but for its address
	tls    *tls.Config
	policy upstreams.Policy
	itself upstreams.Member // what is used until an address is known
}

// lookup keeps the hosts of a route what the DNS says that they are. It outlives tables that
// keep the route's name. The hosts that were found last stay for as long as nothing better is
// known, however long that is.
type lookup struct {
	gateway *Gateway
	route   string
	hosts   *upstreams.Set
	changed chan struct{} // holds one when there is another naming

	// mu guards the fields below. Nothing of anybody else's is called under it.
	mu     sync.Mutex
	naming naming
	peers  map[netip.Addr]*upstreams.Peer // the hosts; none until an address is known
	left   bool                           // the route has its hosts from elsewhere, or is gone
	state  Lookup
}

// Lookup is how the hosts of a route were found.
type Lookup struct {
	Name  string
	Every time.Duration
	// At is when the latest good answer came, and Answers how many addresses it had; Left are
	// those that are not used, because a route has at most [settings.MaxUpstreams].
	At            time.Time
	Answers, Left int
	// Lookups and Failures count them. Err is why the latest failed, and Since when they do;
	// empty if it did not.
	Lookups, Failures uint64
	Err               string
	Since             time.Time
}

// lookUp gives rt what looks its hosts up.
func (t *Table) lookUp(rt *route, c settings.Route, id peerID, security settings.UpstreamTLS, old *Table) error {
	target := rt.members[0].Peer.URL
	n := naming{url: target, every: c.DNSEvery, id: id, policy: rt.policy, itself: rt.members[0]}
	if n.every == 0 {
		n.every = settings.DefaultDNSEvery
	}
	var err error
	if n.tls, err = clientTLS(security, id.files); err != nil {
		return err
	}
	if n.tls.ServerName == "" {
		n.tls.ServerName = target.Hostname()
	}
	rt.naming = n
	if rt.lookup = old.lookups[rt.name]; rt.lookup == nil || rt.lookup.hosts != rt.hosts {
		rt.lookup = &lookup{gateway: t.gateway, route: rt.name, hosts: rt.hosts, changed: make(chan struct{}, 1)}
	}
	t.lookups[rt.name] = rt.lookup
	return nil
}

// use puts another naming in force.
func (l *lookup) use(n naming, now clock.Instant) {
	l.mu.Lock()
	same := l.naming.same(&n)
	again := !same || l.naming.every != n.every
	gone := l.peers
	switch {
	case !same && (l.naming.url == nil || l.naming.url.Host != n.url.Host):
		l.peers = nil
		l.state = Lookup{}
	case !same: // the same addresses are to be reached in another way
		l.peers = make(map[netip.Addr]*upstreams.Peer, len(gone))
		for a := range gone {
			l.peers[a] = n.peer(a)
		}
	default:
		gone = nil
	}
	l.naming, l.left = n, false
	l.state.Name, l.state.Every = n.url.Host, n.every
	l.publishLocked(now)
	l.mu.Unlock()
	closePeers(gone)
	if again {
		select {
		case l.changed <- struct{}{}:
		default:
		}
	}
}

// same reports whether both have the same hosts, reached in the same way.
func (n *naming) same(as *naming) bool { return n.url != nil && n.id == as.id && *n.url == *as.url }

// publishLocked tells the set what its hosts are. REQUIRES: l.mu.
func (l *lookup) publishLocked(now clock.Instant) {
	members := []upstreams.Member{l.naming.itself}
	if len(l.peers) > 0 {
		members = members[:0]
		for a, p := range l.peers {
			members = append(members, upstreams.Member{Name: l.naming.hostPort(a), Peer: p})
		}
		slices.SortFunc(members, func(a, b upstreams.Member) int { return cmp.Compare(a.Name, b.Name) })
	}
	l.hosts.Use(l.naming.policy, members, now)
}

func (n *naming) hostPort(a netip.Addr) string {
	_, port, _ := net.SplitHostPort(settings.HostPort(n.url))
	return net.JoinHostPort(a.String(), port)
}

// peer is how an address is reached, under the name that all of them have.
func (n *naming) peer(a netip.Addr) *upstreams.Peer {
	id := n.id
	id.address = n.hostPort(a)
	p := &upstreams.Peer{URL: n.url, Transport: newTransport(id, n.tls.Clone())} // a transport writes into its settings
	if id.scheme == "https" && !id.h2c {
		id.http1 = true
		p.Changes = newTransport(id, n.tls.Clone())
	}
	return p
}

// keep looks the name up until ctx ends.
func (l *lookup) keep(ctx context.Context, resolver Resolver) {
	for {
		wait := l.once(ctx, resolver)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-l.changed:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// once makes one lookup, and says how long to wait for the next.
func (l *lookup) once(ctx context.Context, resolver Resolver) time.Duration {
	l.mu.Lock()
	n := l.naming
	l.mu.Unlock()
	limited, cancel := context.WithTimeout(ctx, min(lookupTimeout, n.every))
	defer cancel()
	found, err := resolver.LookupNetIP(limited, "ip", n.url.Hostname())
	if ctx.Err() != nil {
		return 0
	}
	if found = usable(found); err == nil && len(found) == 0 {
		err = errNoAddress
	}
	if err != nil {
		l.failed(n, err)
		return min(n.every, lookupAgain)
	}
	l.found(n, found)
	return n.every - n.every/20 + time.Duration(rand.Int64N(int64(n.every/10)+1)) // not all at once
}

var errNoAddress = errors.New("the answer has no address that can be connected to")

// usable returns the addresses that a host can have, each once: those for IPv4 if there are
// any, for of a host that has both only one is to be counted, and many a network has no IPv6.
func usable(found []netip.Addr) (list []netip.Addr) {
	var six []netip.Addr
	for _, a := range found {
		switch a = a.Unmap(); {
		case !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a == broadcast:
		case a.Is4():
			list = append(list, a)
		default:
			six = append(six, a)
		}
	}
	if len(list) == 0 {
		list = six
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func (l *lookup) failed(n naming, err error) {
	l.mu.Lock()
	if l.left || !l.naming.same(&n) {
		l.mu.Unlock()
		return
	}
	l.state.Lookups++
	l.state.Failures++
	first := l.state.Err == ""
	if first {
		l.state.Since = time.Now()
	}
	l.state.Err = lookupReason(err)
	e := LookupFailed{Route: l.route, Name: n.url.Host, Hosts: len(l.peers), Error: l.state.Err}
	l.mu.Unlock()
	if first {
		l.gateway.tellLookupFailed(e)
	}
}

// lookupReason is why a lookup failed, without the name, which is known.
func lookupReason(err error) string {
	if d, ok := errors.AsType[*net.DNSError](err); ok && d.Err != "" {
		return d.Err
	}
	return shortReason(err)
}

// found puts what was found in force.
func (l *lookup) found(n naming, all []netip.Addr) {
	l.mu.Lock()
	if l.left || !l.naming.same(&n) { // another is in force since
		l.mu.Unlock()
		return
	}
	kept := l.boundLocked(all)
	e := LookupChanged{Route: l.route, Name: n.url.Host, Hosts: len(kept), Left: len(all) - len(kept)}
	if l.state.Err != "" {
		e.Recovered = time.Since(l.state.Since)
	}
	grew := l.state.Left == 0 && e.Left > 0
	l.state.Lookups++
	l.state.At, l.state.Answers, l.state.Left, l.state.Err, l.state.Since = time.Now(), len(all), e.Left, "", time.Time{}
	gone := map[netip.Addr]*upstreams.Peer{}
	for a, p := range l.peers {
		if !slices.Contains(kept, a) {
			gone[a] = p
			e.Removed++
		}
	}
	peers := make(map[netip.Addr]*upstreams.Peer, len(kept))
	for _, a := range kept {
		if peers[a] = l.peers[a]; peers[a] == nil {
			peers[a] = n.peer(a)
			e.Added++
		}
	}
	changed := e.Added+e.Removed > 0
	if l.peers = peers; changed {
		l.publishLocked(clock.Now())
	}
	l.mu.Unlock()
	closePeers(gone)
	if changed || grew || e.Recovered > 0 {
		l.gateway.tellLookupChanged(e)
	}
	if changed {
		l.hosts.Tell()
		l.gateway.upkeep.nudge()
	}
}

// lookupSeed makes the choice among too many addresses another one in each process.
var lookupSeed = maphash.MakeSeed()

// boundLocked returns as many addresses as a route may have: those that are hosts already,
// and of the others always the same. REQUIRES: l.mu.
func (l *lookup) boundLocked(all []netip.Addr) []netip.Addr {
	if len(all) <= settings.MaxUpstreams {
		return all
	}
	rank := func(a netip.Addr) uint64 {
		h := maphash.Comparable(lookupSeed, a) >> 1
		if l.peers[a] == nil {
			h |= 1 << 63
		}
		return h
	}
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b netip.Addr) int { return cmp.Compare(rank(a), rank(b)) })
	return all[:settings.MaxUpstreams]
}

// status returns nil for a route whose hosts are listed.
func (l *lookup) status() *Lookup {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.state
	return &s
}

// endLookups keeps lookups that are under way from changing the hosts of routes that next has
// other hosts for.
func (t *Table) endLookups(next *Table) {
	for name, l := range t.lookups {
		if next.lookups[name] != l {
			l.mu.Lock()
			l.left = true
			l.mu.Unlock()
		}
	}
}

// leaveLookups closes the idle connections to the hosts of lookups that next does not have.
func (t *Table) leaveLookups(next *Table) {
	for name, l := range t.lookups {
		if next == nil || next.lookups[name] != l {
			l.mu.Lock()
			peers := l.peers
			l.mu.Unlock()
			closePeers(peers)
		}
	}
}

// closePeers closes connections that serve no request; the others are closed after it.
func closePeers(peers map[netip.Addr]*upstreams.Peer) {
	for _, p := range peers {
		for _, t := range []*http.Transport{p.Transport, p.Changes} {
			if t != nil {
				t.CloseIdleConnections()
			}
		}
	}
}
