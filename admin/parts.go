package admin

import (
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"time"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/internal/suggest"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
)

func (a *api) status(*http.Request) (any, error) { return a.judgedStatus(), nil }

// judgedStatus is the whole layer on one page, with its verdict.
func (a *api) judgedStatus() adminapi.Status {
	layer := a.layer.Status()
	return a.judge(&layer, a.recents(), noMember)
}

// judge makes the page of a picture of the layer; lists chooses the members of groups that it shows.
func (a *api) judge(layer *foundation.Status, of recents, lists func(*adminapi.Breaker) bool) adminapi.Status {
	s := adminapi.Status{
		APIVersion: adminapi.Version, Reasons: []string{}, Listeners: []adminapi.Listener{}, Routes: a.routeViews(of),
		Guards: guardViews(layer.Guards, of), Breakers: a.breakerViews(layer, lists), RateLimits: rateLimitViews(layer), Pools: a.poolViews(layer.Pools),
		Services: serviceViews(layer.Services), Storage: storageView(layer.Storage), Shared: sharedView(layer.Shared), Memory: memoryView(layer.Memory),
		Performance: performanceView(layer.Performance, a.layer.Performance().Alerts()),
		Health:      healthSummary(a.layer.Health().Report()),
	}
	a.describe(&s, layer)
	(&verdict{Status: &s}).judge()
	return s
}

// routeViews lists the routes of the program, those in trouble first.
func (a *api) routeViews(of recents) []adminapi.Route {
	views := []adminapi.Route{}
	if a.options.Program.Routes != nil {
		views = append(views, a.options.Program.Routes()...)
	}
	for i := range views {
		v := &views[i]
		v.Recent = of.route(v)
		completeUpstreams(v)
		v.Requests, v.RefusedBy, v.CutBy, v.Failures = nonNilMap(v.Requests), nonNilMap(v.RefusedBy), nonNilMap(v.CutBy), nonNil(v.Failures)
	}
	slices.SortStableFunc(views, func(x, y adminapi.Route) int { return byTrouble(&x.Recent, &y.Recent) })
	return views
}

func (a *api) listRoutes(*http.Request) (any, error) { return list(a.routeViews(a.recents())), nil }

func (a *api) getRoute(r *http.Request) (any, error) {
	name := r.PathValue("name")
	routes := a.routeViews(a.recents())
	for i := range routes {
		if routes[i].Name == name {
			return routes[i], nil
		}
	}
	return nil, refuse(fault.NotFound, fmt.Sprintf("there is no route %q%s", name, suggest.For(name, namesOf(routes, routeName))))
}

func nonNilMap(m map[string]uint64) map[string]uint64 {
	if m == nil {
		return map[string]uint64{}
	}
	return m
}

func list[T any](items []T) adminapi.List[T] {
	return adminapi.List[T]{APIVersion: adminapi.Version, Items: nonNil(items)}
}

func (a *api) listBreakers(*http.Request) (any, error) {
	layer := a.layer.Status()
	return list(a.breakerViews(&layer, noMember)), nil
}

func (a *api) breakerViews(s *foundation.Status, lists func(*adminapi.Breaker) bool) []adminapi.Breaker {
	views := []adminapi.Breaker{}
	for _, b := range s.Breakers {
		views = append(views, breakerView(b))
	}
	for _, group := range s.BreakerGroups {
		if g, err := a.layer.BreakerGroup(group.Name); err == nil {
			views = append(views, groupView(g, lists))
		}
	}
	sortBreakers(views)
	return views
}

func (a *api) getBreaker(r *http.Request) (any, error) {
	name := r.PathValue("name")
	if g, err := a.layer.BreakerGroup(name); err == nil && r.URL.Query().Get("member") == "" {
		return groupView(g, everyMember), nil
	}
	b, err := a.breaker(r)
	if err != nil {
		return nil, err
	}
	return breakerView(b.Status()), nil
}

// breaker finds the breaker of a request; ?member=KEY means that of a group.
func (a *api) breaker(r *http.Request) (*breaker.Breaker, error) {
	name, member := r.PathValue("name"), r.URL.Query().Get("member")
	if member == "" {
		return a.layer.Breaker(name)
	}
	g, err := a.layer.BreakerGroup(name)
	if err != nil {
		return nil, err
	}
	b, ok := g.Lookup(ratelimit.ParseKey(member))
	if !ok {
		return nil, refuse(fault.NotFound, "the group "+name+" has no member "+member)
	}
	return b, nil
}

func (a *api) override(r *http.Request) (any, error) {
	b, err := a.breaker(r)
	if err != nil {
		return nil, err
	}
	var request adminapi.OverrideRequest
	if err := read(r, &request); err != nil {
		return nil, err
	}
	length, err := durationOf(request.ForSeconds)
	if err != nil {
		return nil, err
	}
	state, known := map[string]breaker.State{"forced-open": breaker.StateOpen, "forced-closed": breaker.StateClosed}[request.State]
	if !known {
		return nil, refuse(fault.InvalidArgument, `state must be "forced-open" or "forced-closed"`)
	}
	if request.Reason == "" {
		return nil, refuse(fault.InvalidArgument, "reason must say why, for those who find the breaker like this")
	}
	if err := b.Force(state, breaker.Override{Actor: actorOf(r.Context()), Reason: request.Reason, For: length}); err != nil {
		return nil, err
	}
	a.log(r, request.State, "breaker", b.Name(), slog.String("reason", request.Reason), slog.Duration("for", length))
	return breakerView(b.Status()), nil
}

func durationOf(seconds float64) (time.Duration, error) {
	nanos := seconds * float64(time.Second)
	if math.IsNaN(nanos) || nanos < 0 || nanos >= math.MaxInt64 {
		return 0, refuse(fault.InvalidArgument, "for_seconds must be 0 (until released) or a positive number of seconds")
	}
	return time.Duration(math.Ceil(nanos)), nil // rounded down to 0, a moment would become for ever
}

func (a *api) release(r *http.Request) (any, error) {
	b, err := a.breaker(r)
	if err != nil {
		return nil, err
	}
	reason, err := reasonOf(r)
	if err != nil {
		return nil, err
	}
	b.Automatic(actorOf(r.Context()))
	a.log(r, "auto", "breaker", b.Name(), slog.String("reason", reason))
	a.note(r, "breaker.release_requested", b.Name(), reason)
	return breakerView(b.Status()), nil
}

func (a *api) reset(r *http.Request) (any, error) {
	b, err := a.breaker(r)
	if err != nil {
		return nil, err
	}
	reason, err := reasonOf(r)
	if err != nil {
		return nil, err
	}
	b.Reset(actorOf(r.Context()))
	a.log(r, "reset", "breaker", b.Name(), slog.String("reason", reason))
	a.note(r, "breaker.reset_requested", b.Name(), reason)
	return breakerView(b.Status()), nil
}

func (a *api) listPools(*http.Request) (any, error) {
	return list(a.poolViews(a.layer.Status().Pools)), nil
}

func (a *api) poolViews(all []pool.Status) []adminapi.Pool {
	views := []adminapi.Pool{}
	for _, p := range all {
		views = append(views, a.poolView(p))
	}
	sortPools(views)
	return views
}

func (a *api) poolView(s pool.Status) adminapi.Pool {
	return poolView(a.layer.Config().Current().Config.Pools[s.Name].Worker, s)
}

func (a *api) getPool(r *http.Request) (any, error) {
	p, err := a.layer.Pool(r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	return a.poolView(p.Status()), nil
}
