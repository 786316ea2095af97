package main_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/elixirscope/foundation/internal/redistest"
)

// The suite that is named where there is no redis-server.
const redisSuite = "shared limits of several processes"

// sharedConfig has a rule for each policy. Only its variables tell the instances of a fleet apart, so that they
// run one configuration. Nothing is given back within a test: a day is long.
const sharedConfig = `version: 1
namespace: "${NAMESPACE}"
admin: { listen: "${ADMIN}" }
shared: { redis: "${REDIS_URL}", timeout: 500ms }
rate_limits:
  bounded: { limit: LIMIT, per: 1d, scope: SCOPE }
  closed: { limit: LIMIT, per: 1d, scope: shared, on_error: deny }
  open: { limit: LIMIT, per: 1d, scope: shared, on_error: allow }
guards: { bounded: { rate_limit: bounded }, closed: { rate_limit: closed }, open: { rate_limit: open } }
gateway:
  listen: "${GATEWAY}"
  routes:
    - { match: "/", upstream: "${UPSTREAM}", guard: bounded, key: "{header:X-User}" }
    - { match: "/closed/", upstream: "${UPSTREAM}", guard: closed, key: "{header:X-User}" }
    - { match: "/open/", upstream: "${UPSTREAM}", guard: open, key: "{header:X-User}" }
`

const fleetLimit = 120

func sharedText(limit int, scope string) string {
	return strings.NewReplacer("LIMIT", strconv.Itoa(limit), "SCOPE", scope).Replace(sharedConfig)
}

// fleet are daemons that share one store and one upstream.
type fleet []*daemon

// serveFleet starts as many daemons as namespaces are given, and waits until each has heard of those of its own.
func serveFleet(t *testing.T, url string, namespaces ...string) fleet {
	t.Helper()
	upstream := freeAddress(t)
	startUpstream(t, upstream)
	members := map[string]int{}
	var f fleet
	for _, namespace := range namespaces {
		members[namespace]++
		d := newDaemon(t)
		d.env = []string{"NAMESPACE=" + namespace, "ADMIN=" + d.admin, "GATEWAY=" + d.gateway, "UPSTREAM=http://" + upstream, "REDIS_URL=" + url}
		d.write(t, sharedText(fleetLimit, "shared"))
		d.start(t, nil)
		f = append(f, d)
	}
	for i, d := range f {
		d.until("it has heard of the others", func() bool { s := d.shared(); return s.Server != "" && s.Instances == members[namespaces[i]] })
	}
	return f
}

// sharedStatus is what a daemon says of the store.
type sharedStatus struct {
	Away, Server, Fault string
	Warnings            []string
	Instances           int
	OtherConfiguration  int `json:"other_configuration"`
}

func (d *daemon) shared() sharedStatus {
	d.t.Helper()
	var s struct{ Shared sharedStatus }
	d.ask("/v1/status", &s)
	return s.Shared
}

func (d *daemon) revision() uint64 {
	d.t.Helper()
	var s struct{ Config struct{ Revision uint64 } }
	d.ask("/v1/status", &s)
	return s.Config.Revision
}

// decided is where the calls of a rule were decided.
func (d *daemon) decided(rule string) map[string]uint64 {
	d.t.Helper()
	var r struct {
		By map[string]uint64 `json:"decided_by"`
	}
	d.ask("/v1/rate_limits/"+rule, &r)
	return r.By
}

// tally is how many requests were answered with each status.
type tally struct {
	mu       sync.Mutex // guards byStatus
	byStatus map[int]int
}

func (a *tally) add(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byStatus[status]++
}

func (a *tally) of(status int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.byStatus[status]
}

// fleetClients is how many clients of each daemon send at once.
const fleetClients = 8

// saturate sends n requests to each daemon, and returns how they were answered. A daemon that is killed meanwhile
// answers 0.
func (f fleet) saturate(path string, n int) *tally {
	all := &tally{byStatus: map[int]int{}}
	var work sync.WaitGroup
	for _, d := range f {
		var left atomic.Int64
		left.Store(int64(n))
		for range fleetClients {
			work.Go(func() {
				for left.Add(-1) >= 0 {
					all.add(d.request(path))
				}
			})
		}
	}
	work.Wait()
	return all
}

func (d *daemon) request(path string) int {
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, "http://"+d.gateway+path, http.NoBody)
	if err != nil {
		return -1
	}
	req.Header.Set("X-User", "one and the same")
	resp, err := d.client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// only fails if a request was answered with another status than these.
func (a *tally) only(t *testing.T, allowed ...int) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for status, n := range a.byStatus {
		known := false
		for _, s := range allowed {
			known = known || s == status
		}
		if !known {
			t.Errorf("%d requests were answered with %d", n, status)
		}
	}
}

func TestShared_ThreeDaemonsAdmitExactlyTheLimit(t *testing.T) {
	redis := redistest.Running(t, redisSuite)
	f := serveFleet(t, redis.URL(), "shop", "shop", "shop")
	got := f.saturate("/", fleetLimit)
	got.only(t, http.StatusOK, http.StatusTooManyRequests)
	if n := got.of(http.StatusOK); n != fleetLimit {
		t.Errorf("three daemons admitted %d calls of a limit of %d", n, fleetLimit)
	}
	for i, d := range f {
		if by := d.decided("bounded"); by["fallback"] != 0 || by["shared"] == 0 {
			t.Errorf("daemon %d decided %v", i, by)
		}
		if s := d.shared(); s.OtherConfiguration != 0 || len(s.Warnings) != 0 || s.Fault != "" {
			t.Errorf("daemon %d says %+v", i, s)
		}
	}
}

// events counts the events of a type that a daemon has recorded.
func (d *daemon) events(kind string) int {
	d.t.Helper()
	var page struct{ Items []struct{ Type string } }
	d.ask("/v1/events?limit=1000&type=*"+kind, &page)
	return len(page.Items)
}

// untilAway waits until every daemon knows that the store is away, while calls go on.
func (f fleet) untilAway(why string) {
	for _, d := range f {
		d.t.Helper()
		d.until("the store is away", func() bool { d.request("/"); return strings.Contains(d.shared().Away, why) })
	}
}

// untilBack waits until every daemon is decided for by the store again.
func (f fleet) untilBack() {
	for _, d := range f {
		d.t.Helper()
		d.until("the store is back", func() bool {
			before := d.decided("bounded")
			d.request("/")
			after := d.decided("bounded")
			return d.shared().Away == "" && after["shared"]+after["cached"] > before["shared"]+before["cached"]
		})
	}
}

// once fails unless every daemon told of the outage once, and of its end.
func (f fleet) once(t *testing.T) {
	t.Helper()
	for i, d := range f {
		d.until("the events are recorded", func() bool { return d.events("store_recovered") > 0 })
		if failed, back := d.events("store_failed"), d.events("store_recovered"); failed != 1 || back != 1 {
			t.Errorf("daemon %d told %d times that the store failed and %d times that it is back\n%s", i, failed, back, d.stderr)
		}
	}
}

// inVain is how often a daemon asked the store in vain.
func (d *daemon) inVain() uint64 {
	d.t.Helper()
	var g struct {
		Failed   uint64
		TimedOut uint64 `json:"timed_out"`
		Refused  uint64
	}
	d.ask("/v1/guards/foundation.shared", &g)
	return g.Failed + g.TimedOut + g.Refused
}

func TestSystem_Shared_OneOfTheFleetIsKilled(t *testing.T) {
	f := serveFleet(t, redistest.Running(t, redisSuite).URL(), "shop", "shop", "shop")
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		f[0].until("it has served some", func() bool { return f[0].decided("bounded")["shared"] > 5 })
		f[0].kill()
	}()
	got := f.saturate("/", 2*fleetLimit)
	<-killed
	if n := got.of(http.StatusOK); n > fleetLimit || n < fleetLimit-2*fleetClients {
		t.Errorf("%d calls of a limit of %d were admitted; %d clients of the one that was killed may have lost an answer", n, fleetLimit, fleetClients)
	}
	for _, d := range f[1:] {
		d.until("the one that was killed is forgotten", func() bool { return d.shared().Instances == 2 })
		if s := d.shared(); s.Away != "" || d.decided("bounded")["fallback"] != 0 {
			t.Errorf("the others were touched: %+v", s)
		}
	}
}

func TestSystem_Shared_TwoNamespacesDoNotMeet(t *testing.T) {
	redis := redistest.Running(t, redisSuite)
	f := serveFleet(t, redis.URL(), "shop", "market", "shop")
	if n := f.saturate("/", fleetLimit+10).of(http.StatusOK); n != 2*fleetLimit {
		t.Errorf("two namespaces admitted %d calls of a limit of %d each", n, fleetLimit)
	}
}

func TestSystem_Shared_TheFleetIsChangedAsItRuns(t *testing.T) {
	f := serveFleet(t, redistest.Running(t, redisSuite).URL(), "shop", "shop", "shop")
	if n := f.saturate("/", fleetLimit).of(http.StatusOK); n != fleetLimit {
		t.Fatalf("%d calls were admitted", n)
	}
	change := func(text string) {
		t.Helper()
		before := make([]uint64, len(f))
		for i, d := range f {
			before[i] = d.revision()
			d.write(t, text)
		}
		for i, d := range f {
			d.until("the change is in force", func() bool { return d.revision() > before[i] })
		}
	}
	change(sharedText(fleetLimit+30, "shared"))
	if n := f.saturate("/", fleetLimit).of(http.StatusOK); n != 30 {
		t.Errorf("%d more calls were admitted after the limit was raised by 30", n)
	}
	change(sharedText(10, "local"))
	if n := f.saturate("/", 40).of(http.StatusOK); n != 30 {
		t.Errorf("three daemons that count by themselves admitted %d calls of a limit of 10", n)
	}
	change(sharedText(fleetLimit+30, "shared"))
	if n := f.saturate("/", 20).of(http.StatusOK); n != 0 {
		t.Errorf("%d calls were admitted: what was used in the store is forgotten", n)
	}
	for i, d := range f {
		if s := d.shared(); s.Away != "" || d.events("store_failed") != 0 {
			t.Errorf("daemon %d: %+v", i, s)
		}
		d.until("the others run its configuration", func() bool { return d.shared().OtherConfiguration == 0 })
	}
}

// outageOf runs a fleet through an outage of its store, and checks what holds in any: at most twice the limit is
// admitted, calls go on as on_error says and do not wait for the store, each transition is told once, and no
// restart is needed.
func outageOf(t *testing.T, url string, why string, begin, end func()) {
	t.Helper()
	f := serveFleet(t, url, "shop", "shop", "shop")
	admitted := f.saturate("/", fleetLimit/6).of(http.StatusOK)
	if admitted != fleetLimit/2 {
		t.Fatalf("%d calls were admitted before anything happened", admitted)
	}
	for _, path := range []string{"/closed/", "/open/"} {
		f.saturate(path, 1)
	}
	begin()
	during := f.saturate("/", fleetLimit)
	during.only(t, http.StatusOK, http.StatusTooManyRequests)
	f.untilAway(why)
	vain := make([]uint64, len(f))
	for i, d := range f {
		vain[i] = d.inVain()
	}
	more := f.saturate("/", fleetLimit)
	more.only(t, http.StatusOK, http.StatusTooManyRequests)
	f.saturate("/closed/", 20).only(t, http.StatusServiceUnavailable)
	f.saturate("/open/", 20).only(t, http.StatusOK)
	if admitted += during.of(http.StatusOK) + more.of(http.StatusOK); admitted > 2*fleetLimit {
		t.Errorf("%d calls of a limit of %d were admitted", admitted, fleetLimit)
	}
	if more.of(http.StatusOK) > len(f) {
		t.Errorf("%d calls were admitted once the shares were used up", more.of(http.StatusOK))
	}
	for i, d := range f {
		if by := d.decided("bounded"); by["fallback"] < fleetLimit {
			t.Errorf("daemon %d decided %v", i, by)
		}
		if n := d.inVain() - vain[i]; n > fleetLimit/2 { // probes and beats, and no call
			t.Errorf("daemon %d asked the store %d times while it was away", i, n)
		}
		if status := d.status("http://" + d.admin + "/readyz"); status != http.StatusOK {
			t.Errorf("daemon %d is not ready without its store: %d", i, status)
		}
	}
	end()
	f.untilBack()
	f.once(t)
	after := f.saturate("/", fleetLimit)
	after.only(t, http.StatusOK, http.StatusTooManyRequests)
	if n := after.of(http.StatusOK); n > fleetLimit {
		t.Errorf("%d calls of a limit of %d were admitted after the outage", n, fleetLimit)
	}
	f.saturate("/closed/", 1).only(t, http.StatusOK)
}

func TestSystem_Shared_RedisIsKilled(t *testing.T) {
	redis := redistest.Running(t, redisSuite)
	outageOf(t, redis.URL(), "refused", redis.Kill, func() { redistest.Restart(t, redis) })
}

func TestSystem_Shared_RedisStandsStill(t *testing.T) {
	redis := redistest.Running(t, redisSuite)
	outageOf(t, redis.URL(), "", func() { must(t, redis.Stop()) }, func() { must(t, redis.Continue()) })
}

func TestSystem_Shared_RedisIsFull(t *testing.T) {
	redis := redistest.Running(t, redisSuite, "--maxmemory-policy", "noeviction")
	outageOf(t, redis.URL(), "OOM",
		func() { redistest.Run(t, redis, "CONFIG", "SET", "maxmemory", "100kb") }, // less than it needs by itself
		func() { redistest.Run(t, redis, "CONFIG", "SET", "maxmemory", "0") })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A fail-over loses what the replica had not heard of, and nothing else: a fleet goes on with the replica.
func TestSystem_Shared_RedisFailsOver(t *testing.T) {
	primary := redistest.Running(t, redisSuite)
	replica := redistest.Replica(t, redisSuite, primary)
	sentinel := redistest.Sentinel(t, redisSuite, primary)
	f := serveFleet(t, "redis+sentinel://"+sentinel.Addr()+"?master_name=main", "shop", "shop", "shop")
	admitted := f.saturate("/", fleetLimit/6).of(http.StatusOK)
	redistest.Await(t, sentinel, "slaves=1", "INFO", "sentinel")
	primary.Kill()
	during := f.saturate("/", fleetLimit)
	during.only(t, http.StatusOK, http.StatusTooManyRequests)
	redistest.Await(t, replica, "role:master", "INFO", "replication")
	f.untilBack()
	after := f.saturate("/", fleetLimit)
	after.only(t, http.StatusOK, http.StatusTooManyRequests)
	if admitted += during.of(http.StatusOK) + after.of(http.StatusOK); admitted > 2*fleetLimit {
		t.Errorf("%d calls of a limit of %d were admitted over a fail-over", admitted, fleetLimit)
	}
	f.once(t)
}
