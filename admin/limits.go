package admin

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"slices"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/ratelimit"
)

// topDenied is how many denied keys a rule shows.
const topDenied = 20

func limiterView(s ratelimit.Status, of *foundation.SharedStatus) adminapi.RateLimit {
	v := adminapi.RateLimit{
		Name: s.Name, Mode: s.Config.Mode.String(), Algorithm: s.Config.Algorithm.String(), Limit: max(s.Config.Limit, 0),
		PerSeconds: s.Config.Per.Seconds(), Burst: s.Config.Burst, Parts: s.Config.Parts, Parent: s.Parent, Overrides: s.Overrides,
		Keys: s.TrackedKeys, MaxKeys: int64(s.Config.MaxKeys), Overflowed: s.Overflowed, Evicted: s.Evictions, Waiting: s.Waiting,
		Allowed: s.Allowed, Denied: s.Denied, WouldDeny: s.WouldRefuse, Revision: s.Revision, TopDenied: []adminapi.DeniedKey{},
	}
	for _, k := range s.TopDenied[:min(len(s.TopDenied), topDenied)] {
		v.TopDenied = append(v.TopDenied, adminapi.DeniedKey{Key: k.Key, Denied: k.Denied, AtMostTooMany: k.AtMost, Last: k.Last, Override: k.Override})
	}
	shareView(&v, of)
	return v
}

func (a *api) listRateLimits(*http.Request) (any, error) {
	layer := a.layer.Status()
	return list(rateLimitViews(&layer)), nil
}

func rateLimitViews(layer *foundation.Status) []adminapi.RateLimit {
	views := []adminapi.RateLimit{}
	for _, s := range layer.RateLimits {
		views = append(views, limiterView(s, layer.Shared))
	}
	slices.SortStableFunc(views, func(x, y adminapi.RateLimit) int {
		return cmp.Or(cmp.Compare(y.Denied+y.WouldDeny, x.Denied+x.WouldDeny), cmp.Compare(x.Name, y.Name))
	})
	return views
}

func (a *api) getRateLimit(r *http.Request) (any, error) {
	l, err := a.layer.RateLimit(r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	return limiterView(l.Status(), a.layer.Status().Shared), nil
}

func decisionView(l *ratelimit.Limiter, key ratelimit.Key, d ratelimit.Decision) adminapi.Decision {
	v := adminapi.Decision{
		APIVersion: adminapi.Version, Rule: l.Name(), Key: key.Text(), Allowed: d.OK, Taken: d.Taken, Limit: d.Limit, Remaining: d.Remaining,
		RetryAfterSeconds: d.RetryAfter.Seconds(), ResetAfterSeconds: d.ResetAfter.Seconds(), Source: d.Source.String(),
	}
	if code := d.Code(); code != 0 {
		v.Code = code.String()
	}
	if d.Code() == fault.Unavailable { // nobody has decided, and what is left is not known
		v.Source, v.Remaining = "refused", 0
	}
	if o, ok := l.OverrideOf(key); ok {
		v.Override = &adminapi.KeyOverride{Exempt: o.Exempt, Limit: max(o.Limit, 0), PerSeconds: o.Per.Seconds(), Burst: o.Burst}
	}
	return v
}

func (a *api) peekKey(r *http.Request) (any, error) {
	l, err := a.layer.RateLimit(r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	key := ratelimit.ParseKey(r.PathValue("key"))
	return decisionView(l, key, l.Peek(key)), nil
}

func (a *api) resetKey(r *http.Request) (any, error) {
	l, err := a.layer.RateLimit(r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	reason, err := reasonOf(r)
	if err != nil {
		return nil, err
	}
	key := ratelimit.ParseKey(r.PathValue("key"))
	if err := l.Reset(key, actorOf(r.Context())); err != nil {
		return nil, err
	}
	a.log(r, "reset", "rate_limit", l.Name(), slog.String("key", key.Text()), slog.String("reason", reason))
	a.note(r, "rate_limit.key_reset_requested", l.Name(), reason)
	return decisionView(l, key, l.Peek(key)), nil
}

func (a *api) check(r *http.Request) (any, error) {
	var request adminapi.CheckRequest
	if err := read(r, &request); err != nil {
		return nil, err
	}
	if request.Take < 0 {
		return nil, refuse(fault.InvalidArgument, "take must be 0 (only look) or the number of tokens to take")
	}
	l, err := a.layer.RateLimit(request.Rule)
	if err != nil {
		return nil, err
	}
	key := ratelimit.ParseKey(request.Key)
	if request.Take == 0 {
		return decisionView(l, key, l.Peek(key)), nil
	}
	d := l.AllowN(key, request.Take)
	if err := d.Err(); errors.Is(err, fault.InvalidArgument) { // more than the rule ever admits
		return nil, err
	}
	return decisionView(l, key, d), nil
}
