package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/cmd/internal/upstreams"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/hostname"
	"github.com/elixirscope/foundation/internal/key"
	"github.com/elixirscope/foundation/internal/routing"
	"github.com/elixirscope/foundation/telemetry"
)

// Gateway answers requests by the table of routes that it was last given. Make
// one with [New]. It is safe for concurrent use.
type Gateway struct {
	log      *slog.Logger
	table    atomic.Pointer[Table]
	draining atomic.Bool
	upgrades upgrades
	clients  inFlight // connections, by the address of the client
	crowds   crowds
	unread   atomic.Uint64 // connections that were cut because their client read nothing
	// exhaustion outlives every table: what this machine lacks, no reload brings.
	exhaustion exhaustion
	upkeep     upkeep
	topics     atomic.Pointer[topics]
}

// Table is a prepared set of routes, see [Prepare].
type Table struct {
	mux         *routing.Mux
	routes      []*route
	connections connections
	held        map[string]*held          // by the route's match
	traffic     map[string]*traffic       // by its name
	hosts       map[string]*upstreams.Set // just so
	lookups     map[string]*lookup        // just so, of those that have one
	gateway     *Gateway
	files       []string // that the connections rest on
	peers       peers
	access      *accessLog
	idle        time.Duration
	perClient   int // connections; 0: no limit
}

// New returns a gateway without routes: it answers 404.
func New(log *slog.Logger) *Gateway {
	g := &Gateway{log: log, exhaustion: exhaustion{log: log}, upkeep: newUpkeep(log)}
	defaults := settings.Gateway{}.WithDefaults()
	g.table.Store(&Table{mux: routing.New(nil), access: newAccessLog(defaults.AccessLog, log), idle: defaults.Limits.BodyIdleTimeout})
	return g
}

// Prepare makes a table of c, or reports every fault of it as one
// [fault.InvalidConfig]. It changes nothing, and takes over the connections of the
// table in use to upstreams that stay what they are. It reads the files that c names,
// until ctx ends.
func (g *Gateway) Prepare(ctx context.Context, c settings.Gateway) (*Table, error) {
	c = c.WithDefaults()
	t := &Table{
		gateway: g, mux: muxFor(c.Routes), connections: connections{}, held: map[string]*held{}, traffic: map[string]*traffic{}, hosts: map[string]*upstreams.Set{}, lookups: map[string]*lookup{}, access: newAccessLog(c.AccessLog, g.log), idle: c.Limits.BodyIdleTimeout,
		perClient: c.Limits.MaxConnectionsPerClient,
	}
	old := g.table.Load()
	var problems fault.Problems
	trusted, bad := parsePrefixes(c.TrustedProxies)
	t.peers.trusted = trusted
	for _, text := range bad {
		problems.Add("gateway.trusted_proxies", text, "is neither an address nor a network such as 10.0.0.0/8")
	}
	for i := range c.Routes {
		if err := g.add(ctx, t, c.Routes[i], c, old); err != nil {
			problems.Add(fmt.Sprintf("gateway.routes[%d]", i), c.Routes[i].Match, "%v", err)
		}
	}
	if err := problems.Err("gateway", ""); err != nil {
		return nil, err
	}
	return t, nil
}

func (g *Gateway) add(ctx context.Context, t *Table, c settings.Route, defaults settings.Gateway, old *Table) error {
	rt, err := newRoute(c, defaults)
	if err != nil {
		return err
	}
	if before := old.held[c.Match]; before != nil {
		rt.held = before
	}
	t.held[c.Match] = rt.held
	if before := old.traffic[rt.name]; before != nil {
		rt.traffic = before
	}
	t.traffic[rt.name] = rt.traffic
	if rt.hosts = old.hosts[rt.name]; rt.hosts == nil {
		rt.hosts = upstreams.New(g.teller(rt.name))
	}
	t.hosts[rt.name] = rt.hosts
	if err := t.connect(ctx, rt, c, old); err != nil {
		return err
	}
	if err := t.register(c.Match, rt); err != nil {
		return err
	}
	t.routes = append(t.routes, rt)
	return nil
}

// register puts rt behind its pattern. Hosts are compared as DNS compares names.
func (t *Table) register(pattern string, rt *route) error {
	normal, port := hostname.Pattern(pattern)
	if port != "" {
		return errors.New("match: the host must have no port, which no request is routed by")
	}
	if err := t.mux.Handle(normal, rt); err != nil {
		return fmt.Errorf("match: %w", err)
	}
	return nil
}

// muxFor returns the mux that the routes are to be registered with.
func muxFor(routes []settings.Route) *routing.Mux {
	patterns := make([]string, len(routes))
	for i := range routes {
		patterns[i], _ = hostname.Pattern(routes[i].Match)
	}
	return routing.New(patterns)
}

// Use binds the routes of t to their guards and answers by them from now on.
// Requests that run keep the table that they began with. If a guard does not
// exist nothing changes. Connections that t has no use for are closed.
func (g *Gateway) Use(t *Table, guards func(name string) (*guard.Guard, error)) error {
	for _, rt := range t.routes {
		var gd *guard.Guard
		if rt.guardName != "" {
			var err error
			if gd, err = guards(rt.guardName); err != nil {
				return fmt.Errorf("route %q: %w", rt.match, err)
			}
		}
		rt.exhaustion = &g.exhaustion
		rt.bind(gd, &g.upgrades, g.log)
	}
	now := clock.Now()
	g.table.Load().endLookups(t)
	for _, rt := range t.routes {
		rt.useHosts(now)
	}
	old := g.table.Swap(t)
	old.connections.closeIdle(t.connections)
	old.leaveLookups(t)
	for _, rt := range t.routes {
		rt.hosts.Tell()
	}
	g.upkeep.nudge()
	return nil
}

// Files lists the files beside the configuration that the routes in use were made
// of: certificates, keys and authorities for upstreams.
func (g *Gateway) Files() []string { return g.table.Load().files }

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := g.table.Load()
	info := &requestInfo{ids: [1]string{correlationID(r)}}
	info.Correlated = telemetry.Correlate(r.Context(), info.ids[0])
	info.untraced = !info.takeTrace(r.Header)
	info.responseWriter = responseWriter{ResponseWriter: w, deadlines: deadlinesOf(w), idle: t.idle, stream: r.ProtoMajor >= 2}
	info.client, info.trusted = t.peers.client(r)
	info.draining = g.draining.Load()
	info.request = *r.WithContext(info)
	info.timed = t.access.enabled()
	info.began = clock.Now()
	defer t.end(info)
	t.serve(info, &info.request)
	info.returned = true
}

// end counts and logs a request whose handler has returned, or panicked.
func (t *Table) end(info *requestInfo) {
	if info.route == nil && !info.timed {
		return
	}
	took := clock.Now().Sub(info.began)
	info.conclude()
	if info.route != nil {
		info.route.traffic.end(info, took)
	}
	if info.timed {
		t.access.write(info, took)
	}
}

// serve finds the route. What the mux would answer itself, a path or a method
// that no route has, is answered in the form of all refusals.
func (t *Table) serve(w *requestInfo, r *http.Request) {
	if status := unroutable(r); status != 0 {
		w.flag(flagBadRequest)
		writeProblem(w, r, status, fault.InvalidArgument)
		return
	}
	if r.RequestURI == "*" {
		answerAsterisk(w, r)
		return
	}
	h, pattern := t.find(w, r)
	if rt, ok := h.(*route); ok {
		rt.ServeHTTP(w, r)
		return
	}
	probe := &headerOnly{header: http.Header{}}
	h.ServeHTTP(probe, r)
	if pattern != "" { // of a route, but for a cleaner path
		http.Redirect(w, r, redirection(r.URL, probe.header.Get("Location")), http.StatusTemporaryRedirect) //nolint:gosec // a path of this host, with one slash at its beginning
		return
	}
	w.answerWithout(r, probe)
}

// unroutable returns the status of a request whose route cannot be told, or 0.
func unroutable(r *http.Request) int {
	switch {
	case r.Method == http.MethodConnect: // it names no path to be routed, and its answer would be a tunnel
		return http.StatusNotImplemented
	case strings.ContainsAny(r.Method, "abcdefghijklmnopqrstuvwxyz"):
		// "get" is not GET, and no route says what it is; many an upstream takes it for GET.
		return http.StatusNotImplemented
	case hidesDots(r.URL):
		return http.StatusBadRequest
	}
	return 0
}

// find asks the mux for the handler. From then on the request has its host in the
// form in which it was compared: what a client writes in another way must not lead
// elsewhere in an upstream than it did here.
func (t *Table) find(w *requestInfo, r *http.Request) (h http.Handler, pattern string) {
	named := r.Host
	host, port := hostname.Split(named)
	w.host = host
	r.Host = host // the mux would take the brackets off an address with a port, and only then
	h, pattern = t.mux.Handler(r)
	switch {
	case strings.HasPrefix(named, host) && len(named) == len(host)+len(port):
		r.Host = named
	case port != "":
		r.Host = host + port
	}
	return h, pattern
}

// answerWithout answers a request that has no route. The mux would answer probe.
func (i *requestInfo) answerWithout(r *http.Request, probe *headerOnly) {
	if allow := probe.header.Get("Allow"); allow != "" {
		i.Header().Set("Allow", allow)
	}
	if probe.status < http.StatusBadRequest { // a redirect to the clean form of a path that has no route either
		probe.status = http.StatusNotFound
	}
	i.flag(flagNoRoute)
	writeProblem(i, r, probe.status, fault.NotFound)
}

// answerAsterisk answers a request that is for the server and for no path: OPTIONS
// asks whether it is there, and no other method may be sent so.
func answerAsterisk(w *requestInfo, r *http.Request) {
	if r.Method == http.MethodOptions {
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
		return
	}
	w.flag(flagBadRequest)
	writeProblem(w, r, http.StatusBadRequest, fault.InvalidArgument)
}

// headerOnly is asked what an answer would be.
type headerOnly struct {
	header http.Header
	status int
}

func (h *headerOnly) Header() http.Header         { return h.header }
func (h *headerOnly) Write(p []byte) (int, error) { return len(p), nil }
func (h *headerOnly) WriteHeader(status int)      { h.status = status }

// Drain makes every answer ask its client to leave, so that connections move to
// other instances while this one still accepts.
func (g *Gateway) Drain() { g.draining.Store(true) }

// Upgraded counts the connections that left HTTP, as WebSockets do.
func (g *Gateway) Upgraded() int { return g.upgrades.count() }

// Close waits until ctx ends for upgraded connections and closes those that are
// left then.
func (g *Gateway) Close(ctx context.Context) {
	g.upgrades.wait(ctx)
	g.upgrades.close()
	g.CloseIdle()
}

// ServeHTTP sends the request through the guard to the upstream.
func (rt *route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	info := infoOf(r.Context())
	info.route = rt
	rt.traffic.begin(info)
	if rt.maxBody > 0 && r.ContentLength > rt.maxBody {
		info.refuseTooLarge(w, r)
		return
	}
	dropH2C(r)
	if bad, found := rt.examine(r); found {
		info.refuseBad(r, bad)
		return
	}
	ctx, release, err := boundByClient(r.Context(), r)
	defer release()
	if err != nil {
		refuse(w, r, err)
		return
	}
	info.until, _ = ctx.Deadline()
	rt.boundBody(info, r)
	if info.upload != nil {
		defer info.upload.leave()
	}
	defer info.leaveHost()
	if rt.maxPerKey > 0 {
		k := rt.heldKey.of(r)
		hash := k.Hash(key.All)
		if !rt.held.keys.take(hash, rt.maxPerKey) {
			rt.tooManyOfKey(w, r)
			return
		}
		defer rt.held.keys.release(hash)
	}
	if p, ok := rt.priority.of(r); ok {
		ctx = guard.WithPriority(ctx, p)
	}
	if ctx != r.Context() {
		r = r.WithContext(ctx)
	}
	rt.handler.ServeHTTP(w, r)
}

func (rt *route) boundBody(info *requestInfo, r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 { // HTTP/2 has a reader for nothing, too
		return
	}
	if rt.maxBody > 0 {
		// Without the writer, which it would change while the handler answers: it is the
		// transport that reads. See leaveTooLarge for what it would do.
		r.Body = http.MaxBytesReader(nil, r.Body, rt.maxBody)
	}
	if info.deadlines != nil {
		info.upload = &uploadBody{ReadCloser: r.Body, deadlines: info.deadlines, idle: rt.bodyIdle, asksFirst: r.Header.Get("Expect") != ""}
		if rt.speaksHTTP2 && speaksGRPC(r) {
			info.upload.idle = rt.streamIdle
		}
		// Also for a body that nobody reads: before the server answers a refusal it
		// drains the body, which a client may never send.
		info.upload.allow(time.Now())
		r.Body = info.upload
	}
}
