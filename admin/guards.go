package admin

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/adminapi"
)

func guardView(s guard.Status) adminapi.Guard {
	v := adminapi.Guard{
		Name: s.Name, Mode: s.Config.Mode.String(), Priority: s.Config.Priority.String(), Revision: s.Revision,
		Breaker: s.Breaker, RateLimit: s.RateLimit, Pool: s.Pool,
		TimeoutSeconds: s.Config.Timeout.Seconds(), Concurrency: s.Config.Concurrency, InFlight: s.InFlight, Detached: s.Detached,
		Succeeded: s.Results[guard.Succeeded], Failed: s.Results[guard.Failed], TimedOut: s.Results[guard.TimedOut],
		Canceled: s.Results[guard.CallerLeft], Ignored: s.Results[guard.Indifferent], LeasesExpired: s.LeasesExpired,
		P50Seconds: s.Duration.P50.Seconds(), P95Seconds: s.Duration.P95.Seconds(), P99Seconds: s.Duration.P99.Seconds(),
		CheckoutP99Seconds: s.Wait.P99.Seconds(), AdaptiveConcurrency: adaptiveView(&s),
	}
	if a := &v.AdaptiveConcurrency; a.Limit > 0 {
		v.Concurrency = a.Limit
	}
	v.RefusedBy, v.Refused = byCode(s.Refused)
	v.WouldRefuseBy, v.WouldRefuse = byCode(s.WouldRefuse)
	v.Retries = retriesView(&s)
	v.Hedges = hedgesView(&s)
	return v
}

func retriesView(s *guard.Status) adminapi.Retries {
	v := adminapi.Retries{
		RetriedFor: make(map[string]uint64, len(s.Retries.Retried)), StoppedBy: make(map[string]uint64, len(s.Retries.Stopped)),
		BudgetLeft: s.Retries.Left(), Budgets: make([]adminapi.RetryBudget, 0, len(s.Retries.Budgets)),
	}
	if policy := s.Config.Retry; policy != nil {
		v.Attempts, v.Share = policy.Attempts, max(0, policy.Budget)
	}
	for cause, n := range s.Retries.Retried {
		v.RetriedFor[cause.String()] = n
		v.Retried += n
	}
	for why, n := range s.Retries.Stopped {
		v.StoppedBy[why.String()] = n
		v.Stopped += n
	}
	for _, b := range s.Retries.Budgets {
		v.Budgets = append(v.Budgets, adminapi.RetryBudget{Target: b.Target, FirstAttempts: b.First, Retries: b.Retries, Denied: b.Denied, HedgesDenied: b.HedgesDenied, Left: b.Left})
	}
	return v
}

func byCode(counts map[fault.Code]uint64) (named map[string]uint64, sum uint64) {
	named = make(map[string]uint64, len(counts))
	for code, n := range counts {
		named[code.String()] = n
		sum += n
	}
	return named, sum
}

func (a *api) listGuards(*http.Request) (any, error) {
	return list(guardViews(a.layer.Status().Guards, a.recents())), nil
}

// guardViews lists guards, those in trouble first.
func guardViews(all []guard.Status, of recents) []adminapi.Guard {
	views := []adminapi.Guard{}
	for _, g := range all {
		v := guardView(g)
		v.Recent = of.guard(&v)
		views = append(views, v)
	}
	slices.SortStableFunc(views, func(x, y adminapi.Guard) int {
		return cmp.Or(byTrouble(&x.Recent, &y.Recent), cmp.Compare(y.WouldRefuse, x.WouldRefuse), cmp.Compare(x.Name, y.Name))
	})
	return views
}

func (a *api) getGuard(r *http.Request) (any, error) {
	g, err := a.layer.Guard(r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	v := guardView(g.Status())
	v.Recent = a.recents().guard(&v)
	return v, nil
}
