package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/cmd/internal/upstreams"
	"github.com/elixirscope/foundation/health"
)

// upkeep is what the hosts of the routes need beside requests: lookups, checks, and ejections
// that end although nobody asks.
type upkeep struct {
	log      *slog.Logger
	resolver Resolver
	wake     chan struct{}
	checks   *health.Aggregator

	mu      sync.Mutex // guards the fields below; nothing is called under it
	checked map[checkKey]*checkedHost
	next    int
}

// checkKey is all that a check depends on.
type checkKey struct {
	route string
	host  *upstreams.Host
	check settings.UpstreamCheck
}

// checkedHost is a host whose check runs.
type checkedHost struct {
	name  string // of the check
	route string
	hosts *upstreams.Set
	host  *upstreams.Host
	check settings.UpstreamCheck
}

// checksAtOnce is how many checks of hosts run at a time.
const checksAtOnce = 16

func newUpkeep(log *slog.Logger) upkeep {
	return upkeep{
		log: log, resolver: net.DefaultResolver, wake: make(chan struct{}, 1), checked: map[checkKey]*checkedHost{},
		checks: health.New(health.Options{Logger: log, Concurrency: checksAtOnce}),
	}
}

// nudge makes the upkeep look for what there is to do.
func (u *upkeep) nudge() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// ResolveWith makes the lookups of hosts ask r. It must be called before [Gateway.Serve].
func (g *Gateway) ResolveWith(r Resolver) { g.upkeep.resolver = r }

// tickEvery is how late it may be noticed that an ejection is over while there are no requests.
const tickEvery = time.Second

// Serve looks up and checks the hosts of the routes until ctx ends: it is a service to be
// supervised. It returns when all that it started has ended.
func (g *Gateway) Serve(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	all.Go(func() { _ = g.upkeep.checks.Serve(ctx) }) // it ends with ctx only
	keeping := map[*lookup]context.CancelFunc{}
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		t := g.table.Load()
		g.keepLookups(ctx, t, keeping, &all)
		_, news := g.upkeep.checks.Changes() // before its results are read, so that none is missed
		g.upkeep.follow(t)
		select {
		case <-tick.C:
			for _, rt := range t.routes {
				rt.hosts.Tick(clock.Now())
			}
		case <-g.upkeep.wake:
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// keepLookups runs the lookups of t and no others.
func (g *Gateway) keepLookups(ctx context.Context, t *Table, keeping map[*lookup]context.CancelFunc, all *sync.WaitGroup) {
	inUse := make(map[*lookup]bool, len(t.lookups))
	for _, l := range t.lookups {
		inUse[l] = true
		if keeping[l] == nil {
			mine, cancel := context.WithCancel(ctx)
			keeping[l] = cancel
			all.Go(func() { l.keep(mine, g.upkeep.resolver) })
		}
	}
	for l, cancel := range keeping {
		if !inUse[l] {
			cancel()
			delete(keeping, l)
		}
	}
}

// follow checks the hosts of t that are to be checked and no others, and tells the sets what
// the checks say.
func (u *upkeep) follow(t *Table) {
	wanted := map[checkKey]*route{}
	for _, rt := range t.routes {
		if rt.checks == nil {
			continue
		}
		for _, h := range rt.hosts.Hosts() {
			wanted[checkKey{rt.name, h, *rt.checks}] = rt
		}
	}
	u.replace(wanted)
	now := clock.Now()
	report := u.checks.Report()
	for _, c := range u.list() {
		if s, found := report.Find(c.name); found {
			c.hosts.Checked(c.host, s.Status != health.Fail, s.Output, now)
		}
	}
}

// replace runs the checks that are wanted in place of those that run.
func (u *upkeep) replace(wanted map[checkKey]*route) {
	var gone, added []*checkedHost
	u.mu.Lock()
	for key, c := range u.checked {
		if wanted[key] == nil {
			delete(u.checked, key)
			gone = append(gone, c)
		}
	}
	for key, rt := range wanted {
		if u.checked[key] == nil {
			u.next++
			c := &checkedHost{name: "host" + strconv.Itoa(u.next), route: rt.name, hosts: rt.hosts, host: key.host, check: key.check}
			u.checked[key] = c
			added = append(added, c)
		}
	}
	u.mu.Unlock()
	for _, c := range gone {
		u.checks.Remove(c.name)
		c.hosts.Checked(c.host, true, "", clock.Now()) // nobody asks any more
	}
	for _, c := range added {
		if err := u.checks.Add(health.Check{Name: c.name, Config: c.check.Health(), Run: c.run}); err != nil {
			u.log.Error("a host is not checked", slog.String("route", c.route), slog.String("upstream", c.host.Name()), slog.Any("error", err))
		}
	}
}

func (u *upkeep) list() []*checkedHost {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.SortedFunc(maps.Values(u.checked), func(a, b *checkedHost) int {
		return cmp.Or(cmp.Compare(a.route, b.route), cmp.Compare(a.host.Name(), b.host.Name()))
	})
}

// run asks the host, over connections as requests have them.
func (c *checkedHost) run(ctx context.Context) error {
	peer := c.host.Peer()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, peer.URL.Scheme+"://"+peer.URL.Host+c.check.Path, http.NoBody)
	if err != nil {
		return fmt.Errorf("the request cannot be made: %w", err)
	}
	r.Header.Set("User-Agent", "foundation-health")
	resp, err := peer.Transport.RoundTrip(r)
	switch {
	case ctx.Err() != nil:
		return errors.New("there was no answer in time")
	case err != nil:
		return errors.New(shortReason(err))
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.CopyN(io.Discard, resp.Body, maxDiscarded) // an answer that breaks off has had its status
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("the answer is %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	return nil
}

// Health emits what the checks of hosts say. None of it is for the whole to depend on.
func (g *Gateway) Health(emit func(health.Component)) {
	report := g.upkeep.checks.Report()
	for _, c := range g.upkeep.list() {
		if s, found := report.Find(c.name); found {
			emit(health.Component{
				Name: "upstreams/" + c.route + "/" + c.host.Name(), Status: s.Status, Since: s.Since, Criticality: health.Optional, Output: s.Output, See: "get upstreams",
			})
		}
	}
}
