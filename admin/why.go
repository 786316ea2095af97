package admin

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/internal/suggest"
)

// facts are what an explanation is made of. It is a function of them and the time, so that
// tables can test it, and two readers of the same facts read the same words.
type facts struct {
	now    time.Time
	status *adminapi.Status
	checks []adminapi.HealthComponent
	one    *adminapi.Breaker // a breaker with its members, where one was asked for
}

// kindsOfWhy are what can be explained, in the order in which a name is looked for.
var kindsOfWhy = []string{"guard", "breaker", "rate_limit", "pool", "route", "upstream", "service", "check", "memory"}

// names lists the parts of a kind.
func (f *facts) names(kind string) (list []string) {
	s := f.status
	switch kind {
	case "guard":
		list = namesOf(s.Guards, func(v *adminapi.Guard) string { return v.Name })
	case "breaker":
		list = namesOf(s.Breakers, func(v *adminapi.Breaker) string { return v.Name })
	case "rate_limit":
		list = namesOf(s.RateLimits, func(v *adminapi.RateLimit) string { return v.Name })
	case "pool":
		list = namesOf(s.Pools, func(v *adminapi.Pool) string { return v.Name })
	case "route":
		list = namesOf(s.Routes, func(v *adminapi.Route) string { return v.Name })
	case "upstream":
		list = upstreamNames(s.Routes)
	case "service":
		list = namesOf(s.Services, func(v *adminapi.Service) string { return v.Name })
	case "check":
		list = namesOf(f.checks, func(v *adminapi.HealthComponent) string { return v.Name })
	case "memory":
		list = []string{kind}
	}
	return list
}

func namesOf[T any](parts []T, name func(*T) string) []string {
	list := make([]string, 0, len(parts))
	for i := range parts {
		list = append(list, name(&parts[i]))
	}
	return list
}

// find resolves what was asked for. A kind may be left out where the name is one's alone.
func (f *facts) find(kind, name string) (string, string, error) {
	if kind == "" {
		return f.findAnywhere(name)
	}
	known := kindOf(kind)
	if known == "" {
		return "", "", refuse(fault.NotFound, fmt.Sprintf("there is no kind %q%s", kind, suggest.For(kind, kindsOfWhy)))
	}
	names := f.names(known)
	if name == "" && len(names) == 1 && names[0] == known {
		name = known
	}
	if !slices.Contains(names, name) {
		if known == "route" && f.routeOf(name) != "" {
			return known, f.routeOf(name), nil
		}
		return "", "", refuse(fault.NotFound, fmt.Sprintf("there is no %s %q%s", spacedKind(known), name, suggest.For(name, names)))
	}
	return known, name, nil
}

func (f *facts) findAnywhere(name string) (string, string, error) {
	var found, all []string
	for _, kind := range kindsOfWhy {
		names := f.names(kind)
		all = append(all, names...)
		if slices.Contains(names, name) {
			found = append(found, kind)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], name, nil
	case slices.Contains(found, name): // 'why memory', whatever else is called so
		return name, name, nil
	case len(found) > 1:
		choices := make([]string, 0, len(found))
		for _, kind := range found {
			choices = append(choices, "'foundation why "+kind+" "+quoted(name)+"'")
		}
		return "", "", refuse(fault.InvalidArgument, fmt.Sprintf("%q is the name of several parts; say which: %s", name, strings.Join(choices, " or ")))
	case f.routeOf(name) != "":
		return "route", f.routeOf(name), nil
	}
	slices.Sort(all)
	return "", "", refuse(fault.NotFound, fmt.Sprintf("there is no part %q%s", name, suggest.For(name, slices.Compact(all))))
}

// routeOf finds a route by its match.
func (f *facts) routeOf(match string) string {
	for i := range f.status.Routes {
		if f.status.Routes[i].Match == match {
			return f.status.Routes[i].Name
		}
	}
	return ""
}

// kindOf reads a kind as people write it: rate-limit, breakers. It is "" for none.
func kindOf(text string) string {
	text = strings.ReplaceAll(strings.ToLower(text), "-", "_")
	for _, kind := range kindsOfWhy {
		if text == kind || text == kind+"s" {
			return kind
		}
	}
	return ""
}

func spacedKind(kind string) string { return strings.ReplaceAll(kind, "_", " ") }

// explain says what is wrong with a part, or that nothing is.
func (f *facts) explain(kind, name string) adminapi.Why {
	w := adminapi.Why{
		APIVersion: adminapi.Version, Kind: kind, Name: name, At: f.now, Numbers: []adminapi.Number{}, Parts: []adminapi.WhyPart{},
		Errors: []adminapi.WhyError{}, Holders: []adminapi.Holder{}, Denied: []adminapi.Denied{}, Before: []adminapi.Before{}, Try: []adminapi.Try{},
	}
	e := explanation{facts: f, Why: &w}
	switch kind {
	case "guard":
		e.guard(name)
	case "breaker":
		e.breaker(name)
	case "rate_limit":
		e.rateLimit(name)
	case "pool":
		e.pool(name)
	case "route":
		e.route(name)
	case "upstream":
		e.upstream(name)
	case "service":
		e.service(name)
	case "check":
		e.check(name)
	case "memory":
		e.memory()
	}
	if !w.Since.IsZero() {
		w.SinceSeconds = max(0, f.now.Sub(w.Since).Seconds())
	}
	return w
}

// explanation is one that is being made.
type explanation struct {
	*facts
	*adminapi.Why
}

func (e *explanation) number(name string, value float64, unit string, bad bool, note string) {
	e.Numbers = append(e.Numbers, adminapi.Number{Name: name, Value: value, Unit: unit, Bad: bad, Note: note})
}

func (e *explanation) against(name string, value, limit float64, unit string, bad bool, note string) {
	e.Numbers = append(e.Numbers, adminapi.Number{Name: name, Value: value, Limit: limit, Bounded: true, Unit: unit, Bad: bad, Note: note})
}

func (e *explanation) try(command, text string) {
	if command != "" {
		command = "foundation " + command
	}
	for i := range e.Try {
		if e.Try[i].Command == command && e.Try[i].Text == text {
			return
		}
	}
	e.Try = append(e.Try, adminapi.Try{Command: command, Text: text})
}

func (e *explanation) part(kind, name string, well bool, state string) {
	e.Parts = append(e.Parts, adminapi.WhyPart{Kind: kind, Name: name, Well: well, State: state})
}

// shownErrors bounds the classes of errors of an explanation.
const shownErrors = 8

func (e *explanation) error(class string, count uint64, last time.Time, where, detail string) {
	e.Errors = append(e.Errors, adminapi.WhyError{Class: class, Count: count, Last: last, AgoSeconds: max(0, e.now.Sub(last).Seconds()), Where: where, Detail: detail})
}

// latestErrors orders the errors that were collected, and keeps the latest.
func (e *explanation) latestErrors() {
	slices.SortStableFunc(e.Errors, func(x, y adminapi.WhyError) int { return y.Last.Compare(x.Last) })
	e.Errors = e.Errors[:min(len(e.Errors), shownErrors)]
}

// why answers with an explanation.
func (a *api) why(r *http.Request) (any, error) {
	s := a.judgedStatus()
	f := &facts{now: time.Now(), status: &s}
	for _, c := range a.layer.Health().Report().Components {
		if v := componentView(&c); v.IsCheck {
			f.checks = append(f.checks, v)
		}
	}
	kind, name, err := f.find(r.PathValue("kind"), r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	if kind == "breaker" {
		if g, err := a.layer.BreakerGroup(name); err == nil {
			one := groupView(g, everyMember)
			f.one = &one
		}
	}
	w := f.explain(kind, name)
	if !w.Well {
		a.before(r.Context(), f, &w)
	}
	return w, nil
}
