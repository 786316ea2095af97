package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/gateway"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/cmd/internal/upstreams"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/telemetry"
)

// names is a DNS that says what it is told to.
type names struct {
	mu    sync.Mutex
	addrs []netip.Addr
	err   error
	asked int
}

func (n *names) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	return n.addrs, n.err
}

func (n *names) say(err error, addrs ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.err, n.addrs = err, nil
	for _, a := range addrs {
		n.addrs = append(n.addrs, netip.MustParseAddr(a))
	}
}

// dnsRig is a gateway whose hosts are those that a name has.
type dnsRig struct {
	*rig

	names *names
	port  string
}

// newDNSRig serves on n loopback addresses, all with one port, and looks them up under one name.
func newDNSRig(t *testing.T, n int, first ...string) *dnsRig {
	t.Helper()
	d := &dnsRig{names: &names{}}
	d.names.say(nil, first...)
	listeners := sameport(t, n)
	_, d.port, _ = net.SplitHostPort(listeners[0].Addr().String())
	for _, l := range listeners {
		up := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "shop.test:"+d.port {
				w.WriteHeader(http.StatusMisdirectedRequest)
			}
			_, _ = fmt.Fprint(w, l.Addr())
		}))
		_ = up.Listener.Close()
		up.Listener = l
		up.Start()
		t.Cleanup(up.Close)
	}
	d.rig = newRigTo(t, "", func(s *setup) {
		s.route.Guard, s.route.Name, s.route.DNS, s.route.DNSEvery = "", "shop", "http://shop.test:"+d.port, 2*time.Millisecond
		s.gateway.AccessLog.Mode = settings.AccessLogAll
	})
	d.gateway.ResolveWith(d.names)
	d.serve()
	return d
}

// serve runs the upkeep of the gateway until the test ends.
func (r *rig) serve() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.gateway.Serve(ctx)
	}()
	r.Cleanup(func() {
		cancel()
		<-done
	})
}

// sameport listens on 127.0.0.1, 127.0.0.2 and so on, on one port.
func sameport(t *testing.T, n int) []net.Listener {
	t.Helper()
	for range 100 {
		var list []net.Listener
		port := "0"
		for i := range n {
			l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0."+strconv.Itoa(i+1)+":"+port)
			if err != nil {
				break
			}
			list = append(list, l)
			_, port, _ = net.SplitHostPort(l.Addr().String())
		}
		if len(list) == n {
			return list
		}
		for _, l := range list {
			_ = l.Close()
		}
	}
	t.Fatal("no port is free on all addresses")
	return nil
}

// until waits for what another goroutine does.
func (r *rig) until(what string, is func() bool) {
	r.Helper()
	tick, limit := time.NewTicker(time.Millisecond), time.NewTimer(30*time.Second)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-limit.C:
			r.Fatal(what + " never happened")
		}
	}
}

func (d *dnsRig) hosts() (list []string) {
	for _, h := range d.gateway.Routes()[0].Upstreams.Hosts {
		list = append(list, h.Name)
	}
	return list
}

func (d *dnsRig) lookup() gateway.Lookup { return *d.gateway.Routes()[0].Lookup }

func TestLookup_TheHostsAreWhatTheDNSSays(t *testing.T) {
	d := newDNSRig(t, 3, "127.0.0.1", "127.0.0.2")
	d.until("the first answer", func() bool { return len(d.hosts()) == 2 })
	got := map[string]int{}
	for range 60 {
		a := d.get("/x")
		if a.StatusCode != http.StatusOK {
			t.Fatalf("answered %d: %s", a.StatusCode, a.body)
		}
		got[a.body]++
	}
	if got["127.0.0.1:"+d.port] < 10 || got["127.0.0.2:"+d.port] < 10 {
		t.Errorf("answers: %v", got)
	}
	d.names.say(nil, "127.0.0.3")
	d.until("the other answer", func() bool { h := d.hosts(); return len(h) == 1 && h[0] == "127.0.0.3:"+d.port })
	for range 10 {
		if a := d.get("/x"); a.body != "127.0.0.3:"+d.port {
			t.Fatal(a.body)
		}
	}
	if s := d.gateway.Routes()[0]; s.Upstream != "shop.test:"+d.port || s.Lookup.Answers != 1 || s.Lookup.Name != s.Upstream {
		t.Errorf("%s, %+v", s.Upstream, s.Lookup)
	}
}

// What the DNS cannot say changes nothing: the hosts that were found last stay, which is counted
// and told once.
func TestLookup_NoAnswerLeavesTheLastGoodOne(t *testing.T) {
	d := newDNSRig(t, 2, "127.0.0.1", "127.0.0.2")
	bus := telemetry.NewBus()
	var mu sync.Mutex
	var failed []gateway.LookupFailed
	var changed []gateway.LookupChanged
	subscribe(t, bus, func(e gateway.LookupFailed) { mu.Lock(); failed = append(failed, e); mu.Unlock() })
	subscribe(t, bus, func(e gateway.LookupChanged) { mu.Lock(); changed = append(changed, e); mu.Unlock() })
	d.until("the first answer", func() bool { return len(d.hosts()) == 2 })
	d.gateway.Announce(bus)
	for name, say := range map[string]func(){
		"an error":         func() { d.names.say(errors.New("no such host")) },
		"nothing":          func() { d.names.say(nil) },
		"nothing of use":   func() { d.names.say(nil, "0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1") },
		"an error of DNS":  func() { d.names.say(&net.DNSError{Err: "server misbehaving", Name: "shop.test"}) },
		"an answer beside": func() { d.names.say(errors.New("half"), "127.0.0.9") },
	} {
		before := d.lookup()
		say()
		d.until(name, func() bool { return d.lookup().Err != "" && d.lookup().Failures > before.Failures })
		if s := d.lookup(); len(d.hosts()) != 2 || s.Since.IsZero() || s.At.IsZero() {
			t.Errorf("%s: %v, %+v", name, d.hosts(), s)
		}
		if a := d.get("/x"); a.StatusCode != http.StatusOK {
			t.Errorf("%s: answered %d", name, a.StatusCode)
		}
		d.names.say(nil, "127.0.0.1", "127.0.0.2")
		d.until("an answer after "+name, func() bool { return d.lookup().Err == "" })
	}
	d.until("the last event", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(changed) >= 5
	})
	mu.Lock()
	defer mu.Unlock()
	if len(failed) != 5 || failed[0].Hosts != 2 || failed[0].Error == "" || len(changed) != 5 || changed[0].Recovered <= 0 || changed[0].Added != 0 {
		t.Errorf("%d told of failures %+v, %d of answers %+v", len(failed), failed, len(changed), changed)
	}
}

func subscribe[E telemetry.Event](t *testing.T, bus *telemetry.Bus, handle func(E)) {
	t.Helper()
	s, err := telemetry.Subscribe(bus, fmt.Sprintf("%T", *new(E)), func(_ context.Context, e E) { handle(e) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Cancel)
}

// Until there is an answer the name itself is the host, so that a route is never without one.
func TestLookup_BeforeTheFirstAnswerTheNameIsTheHost(t *testing.T) {
	d := newDNSRig(t, 1)
	if got := d.hosts(); len(got) != 1 || got[0] != "shop.test:"+d.port {
		t.Error(got)
	}
	if a := d.get("/x"); a.StatusCode != http.StatusBadGateway {
		t.Errorf("answered %d", a.StatusCode)
	}
	d.names.say(nil, "127.0.0.1")
	d.until("the first answer", func() bool { return d.hosts()[0] == "127.0.0.1:"+d.port })
	if a := d.get("/x"); a.StatusCode != http.StatusOK {
		t.Errorf("answered %d", a.StatusCode)
	}
}

func TestLookup_AThousandAddressesAreBounded(t *testing.T) {
	d := newDNSRig(t, 2, "127.0.0.1", "127.0.0.2")
	d.until("the first answer", func() bool { return len(d.hosts()) == 2 })
	many := []string{"127.0.0.1", "127.0.0.2"}
	for i := range 998 {
		many = append(many, fmt.Sprintf("127.1.%d.%d", i/250, i%250+1))
	}
	d.names.say(nil, many...)
	d.until("the long answer", func() bool { return len(d.hosts()) > 2 })
	first := d.hosts()
	if s := d.lookup(); len(first) != settings.MaxUpstreams || s.Answers != 1000 || s.Left != 1000-settings.MaxUpstreams {
		t.Errorf("%d hosts, %+v", len(first), s)
	}
	for _, a := range many[:2] { // what was there stays
		if d.host(a+":"+d.port).Name == "" {
			t.Errorf("%s is gone", a)
		}
	}
	asked := d.lookup().Lookups
	d.until("another answer", func() bool { return d.lookup().Lookups > asked+3 })
	if again := d.hosts(); fmt.Sprint(again) != fmt.Sprint(first) {
		t.Errorf("another choice each time: %v and %v", first, again)
	}
}

// A reload that keeps the name keeps the hosts and what is known of them; another name does not.
func TestLookup_AReloadKeepsTheHosts(t *testing.T) {
	d := newDNSRig(t, 2, "127.0.0.1", "127.0.0.2")
	d.until("the first answer", func() bool { return len(d.hosts()) == 2 })
	for range 5 {
		d.get("/x")
	}
	d.reload()
	if got := d.gateway.Routes()[0].Upstreams.Counts.Successes; len(d.hosts()) != 2 || got != 5 {
		t.Errorf("%v, %d requests", d.hosts(), got)
	}
	d.config.Routes[0].DNS = "http://other.test:" + d.port
	d.names.say(errors.New("no such host"))
	d.reload()
	if got := d.hosts(); len(got) != 1 || got[0] != "other.test:"+d.port {
		t.Error(got)
	}
	d.config.Routes[0].DNS, d.config.Routes[0].Upstreams = "", []string{"http://127.0.0.1:" + d.port, "http://127.0.0.2:" + d.port}
	d.reload()
	if a := d.get("/x"); a.StatusCode != http.StatusMisdirectedRequest || d.gateway.Routes()[0].Lookup != nil {
		t.Errorf("answered %d", a.StatusCode)
	}
}

func TestChecks_AHostThatFailsItsCheckGetsNothing(t *testing.T) {
	c := newCluster(t, 3)
	var ill sync.Map
	for _, m := range c.hosts {
		m.does(func(w http.ResponseWriter, r *http.Request) {
			if _, is := ill.Load(m.address()); is && r.URL.Path == "/ready" {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_, _ = fmt.Fprint(w, m.address())
		})
	}
	r := c.rig(func(s *setup) {
		s.route.Check = &settings.UpstreamCheck{Path: "/ready", Every: 100 * time.Millisecond, FailAfter: 1, PassAfter: 1}
	})
	r.serve()
	bad := c.hosts[0].address()
	ill.Store(bad, true)
	r.until("the check to fail", func() bool { return r.host(bad).State == upstreams.Unwell })
	for range 30 {
		if got := r.get("/x"); got.body == bad {
			t.Fatal("the host whose check fails was asked")
		}
	}
	if h := r.host(bad); h.Check != "the answer is 503 Service Unavailable" {
		t.Errorf("%+v", h)
	}
	found := 0
	r.gateway.Health(func(c health.Component) {
		found++
		if want := "upstreams/all/"; c.Name[:len(want)] != want || c.Criticality != health.Optional || c.Readiness {
			t.Errorf("%+v", c)
		}
	})
	if found != 3 {
		t.Errorf("%d are in the health report", found)
	}
	ill.Delete(bad)
	r.until("the check to pass", func() bool { return r.host(bad).State == upstreams.SlowStart })
	ill.Store(bad, true)
	r.until("the check to fail again", func() bool { return r.host(bad).State == upstreams.Unwell })
	r.config.Routes[0].Check = nil // nobody asks any more
	r.reload()
	r.until("the host to return", func() bool { return r.host(bad).State == upstreams.SlowStart })
}

// The name is what the certificate must be for, whatever the address; also over the connections
// of those who change the protocol.
func TestLookup_OverTLS(t *testing.T) {
	url, change := upstreamOver(t, overTLS, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "echo")
			w.WriteHeader(http.StatusSwitchingProtocols)
			return
		}
		_, _ = fmt.Fprint(w, r.Proto, " ", r.Host)
	}))
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(url, "https://"))
	for name, want := range map[string]int{"example.com": http.StatusOK, "other.test": http.StatusBadGateway} {
		names := &names{}
		names.say(nil, "127.0.0.1")
		r := newRigTo(t, "", func(s *setup) {
			change(s)
			s.route.TLS.ServerName = "" // it follows from the name
			s.route.DNS, s.route.DNSEvery = "https://"+name+":"+port, time.Second
		})
		r.gateway.ResolveWith(names)
		r.serve()
		r.until("the answer", func() bool { return r.gateway.Routes()[0].Upstreams.Hosts[0].Name == "127.0.0.1:"+port })
		got := r.get("/x")
		if got.StatusCode != want || want == http.StatusOK && got.body != "HTTP/2.0 example.com:"+port {
			t.Errorf("%s: answered %d %q", name, got.StatusCode, got.body)
		}
		if want != http.StatusOK {
			continue
		}
		conn, answers := r.raw("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		if resp, err := http.ReadResponse(answers, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("the upgrade: %v, %v", resp, err)
		}
		_ = conn.Close()
	}
}

// slowNames answers only once it is let.
type slowNames struct {
	*names

	asked chan struct{}
	let   chan struct{}
}

func (n *slowNames) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	n.asked <- struct{}{}
	<-n.let
	return n.names.LookupNetIP(ctx, network, host)
}

// A reload in the middle of a lookup does not lose its answer, which the next would have only
// after dns_every.
func TestLookup_AReloadInTheMiddle(t *testing.T) {
	slow := &slowNames{names: &names{}, asked: make(chan struct{}, 1), let: make(chan struct{})}
	slow.say(nil, "127.0.0.1")
	r := newRigTo(t, "", func(s *setup) { s.route.DNS, s.route.DNSEvery = "http://shop.test:1", time.Hour })
	r.gateway.ResolveWith(slow)
	r.serve()
	<-slow.asked
	r.reload()
	close(slow.let)
	r.until("the answer", func() bool { return r.gateway.Routes()[0].Upstreams.Hosts[0].Name == "127.0.0.1:1" })
}
