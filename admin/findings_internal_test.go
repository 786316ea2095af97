package admin

import (
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// sick is a minute in which a share of a hundred calls is in trouble.
func sick(trouble, reason string, calls uint64) adminapi.Recent {
	return minute(func(r *adminapi.Recent) {
		switch trouble {
		case troubleFull, troubleRefuses:
			r.Refused, r.RefusedBy[reason] = calls, calls
		case troubleFails:
			if r.Failed = calls; reason != "" {
				r.FailedBy[reason] = calls
			}
		case troubleLeave:
			r.Canceled = calls
		}
		judgeRecent(r)
	})
}

// retried are retries to a target whose budget has denied some.
func retried(denied uint64) adminapi.Retries {
	return adminapi.Retries{
		Attempts: 3, Share: 0.2, Retried: 9000, RetriedFor: map[string]uint64{"failure": 8000, "timeout": 1000}, Stopped: 2100, StoppedBy: map[string]uint64{"budget": 2000, "attempts": 100, "deadline": 0},
		Budgets: []adminapi.RetryBudget{{FirstAttempts: 0}, {Target: "10.0.0.2:80", FirstAttempts: 100, Retries: 1, Left: 29}, {Target: "10.0.0.1:80", FirstAttempts: 3412, Retries: 690, Denied: denied}},
	}
}

func openBreaker(name string) adminapi.Breaker {
	return adminapi.Breaker{
		Name: name, Mode: "enforce", State: "open", OpenedBy: []adminapi.Fact{{Name: "failure_ratio", Value: 0.62, Limit: 0.5, Bounded: true}, {Name: "calls", Value: 118, Limit: 20, Bounded: true}},
		Outage: adminapi.Outage{Began: time.Date(2026, 11, 28, 14, 3, 10, 0, time.UTC), BeganSeconds: 720, Cause: "failure_ratio", Error: "dns", FailedProbes: 3, LastProbe: time.Now(), LastProbeAgoSeconds: 3, LastProbeError: "refused"},
	}
}

// judged returns the verdict of a status, line by line: what was found and where to go on.
func judged(s *adminapi.Status) (word string, lines []string) {
	(&verdict{Status: s}).judge()
	for i := range s.Findings {
		lines = append(lines, s.Findings[i].Text+" | "+s.Findings[i].Command)
	}
	return s.Verdict, lines
}

func calm() adminapi.Status { return adminapi.Status{Health: adminapi.HealthSummary{Live: true}} }

func TestVerdict_OneOutageIsOneFinding(t *testing.T) {
	for name, c := range map[string]struct {
		fill func(*adminapi.Status)
		want []string
	}{
		"all is well": {func(s *adminapi.Status) {
			s.Guards = []adminapi.Guard{{Name: "checkout", Recent: sick("", "", 0)}}
		}, nil},
		"an open breaker, its guard and its route": {func(s *adminapi.Status) {
			s.Breakers = []adminapi.Breaker{openBreaker("payments")}
			s.Guards = []adminapi.Guard{{Name: "checkout", Breaker: "payments", Recent: sick(troubleRefuses, "circuit_open", 98)}, {Name: "idle", Breaker: "payments"}}
			s.Routes = []adminapi.Route{{Name: "pay", Guard: "checkout", Recent: sick(troubleRefuses, "circuit_open", 98)}}
			s.Performance.Alerts = []adminapi.Alert{{Operation: "checkout", Kind: "errors", Text: "errors 62 %"}, {Operation: "route:pay", Kind: "errors", Text: "errors 62 %"}}
		}, []string{"breaker payments is open for 12m: began 14:03:10Z with 62 % of 118 calls failed (dns); last probe failed 3s ago: refused; it takes with it guard checkout (98 % of 100 calls refused), route pay | foundation why breaker payments"}},
		"a flood beside an open breaker": {func(s *adminapi.Status) {
			s.Breakers = []adminapi.Breaker{openBreaker("payments")}
			s.Guards = []adminapi.Guard{{Name: "checkout", Breaker: "payments", RateLimit: "per_client", Recent: sick(troubleRefuses, "rate_limited", 60)}}
			s.RateLimits = []adminapi.RateLimit{{Name: "per_client", Denied: 100, TopDenied: []adminapi.DeniedKey{{Key: "10.0.0.9", Denied: 95}}}}
		}, []string{
			"breaker payments is open for 12m: began 14:03:10Z with 62 % of 118 calls failed (dns); last probe failed 3s ago: refused | foundation why breaker payments",
			"guard checkout refuses 60 % of 100 calls in the last minute (rate_limited by per_client; key 10.0.0.9 has 95 % of what it denied) | foundation why guard checkout",
		}},
		"a guard that fails, through its route": {func(s *adminapi.Status) {
			s.Guards = []adminapi.Guard{{Name: "checkout", Recent: sick(troubleFails, "", 45)}}
			s.Routes = []adminapi.Route{{Name: "pay", Guard: "checkout", Recent: sick(troubleFails, "status_5xx", 45)}}
		}, []string{"guard checkout: 45 % of 100 calls fail in the last minute (status_5xx); it takes with it route pay | foundation why guard checkout"}},
		"retries that are used up, of a guard that is well": {func(s *adminapi.Status) {
			s.Guards = []adminapi.Guard{{Name: "checkout", Recent: sick(troubleFails, "", 4), Retries: retried(812)}, {Name: "few", Retries: retried(4)}}
			s.Routes = []adminapi.Route{{Name: "pay", Guard: "checkout", Recent: sick(troubleFails, "", 6)}}
		}, []string{
			"retries of guard checkout to 10.0.0.1:80 are used up: 690 of 3412 first attempts in the last 10s (20 % and one a second are allowed), and 812 failures were not tried again | foundation why guard checkout",
		}},
		"retries that are used up, of a guard that fails": {func(s *adminapi.Status) {
			s.Guards = []adminapi.Guard{{Name: "checkout", Recent: sick(troubleFails, "", 45), Retries: retried(812)}}
		}, []string{
			"guard checkout: 45 % of 100 calls fail in the last minute; its retries to 10.0.0.1:80 are used up: 690 of 3412 first attempts in the last 10s (20 % and one a second are allowed), and 812 failures were not tried again | foundation why guard checkout",
		}},
		"retries that are used up, of a guard whose breaker is open": {func(s *adminapi.Status) {
			s.Breakers = []adminapi.Breaker{openBreaker("payments")}
			s.Guards = []adminapi.Guard{{Name: "checkout", Breaker: "payments", Recent: sick(troubleRefuses, "circuit_open", 98), Retries: retried(812)}}
		}, []string{"breaker payments is open for 12m: began 14:03:10Z with 62 % of 118 calls failed (dns); last probe failed 3s ago: refused; it takes with it guard checkout (98 % of 100 calls refused) | foundation why breaker payments"}},
		"a full guard": {func(s *adminapi.Status) {
			s.Guards = []adminapi.Guard{{Name: "checkout", InFlight: 10, Concurrency: 10, Recent: sick(troubleFull, "concurrency_limited", 83)}}
			s.Routes = []adminapi.Route{{Name: "pay", Guard: "checkout", InFlight: 10}}
		}, []string{"guard checkout is full: 10 of 10 places are taken, and 83 % of 100 calls were refused in the last minute; route pay holds 10 | foundation why guard checkout"}},
		"a full guard whose limit adapts": {func(s *adminapi.Status) {
			s.Guards = []adminapi.Guard{{
				Name: "checkout", InFlight: 28, Concurrency: 31, Recent: sick(troubleFull, "concurrency_limited", 83),
				AdaptiveConcurrency: adminapi.AdaptiveConcurrency{Min: 4, Max: 256, Limit: 31, Reason: "latency", SinceSeconds: 3, LatencySeconds: 0.062, BaselineSeconds: 0.01},
			}}
		}, []string{"guard checkout was full: 83 % of 100 calls were refused in the last minute (concurrency_limited); 28 of 31 places are taken now; the limit is 31 since 3s (latency): calls take 62ms, 10ms without load | foundation why guard checkout"}},
		"clients that leave": {func(s *adminapi.Status) {
			s.Guards = []adminapi.Guard{{Name: "checkout", Recent: sick(troubleLeave, "canceled", 45)}}
		}, []string{"guard checkout: clients leave: 45 % of 100 calls were given up by their callers in the last minute; half of the others take 0s or longer | foundation why guard checkout"}},
		"a route without a guard": {func(s *adminapi.Status) {
			s.Routes = []adminapi.Route{{Name: "/files/", Recent: sick(troubleFails, "refused", 100)}}
		}, []string{`route /files/: 100 % of 100 calls fail in the last minute (refused) | foundation why route /files/`}},
		"a forgotten override": {func(s *adminapi.Status) {
			s.Breakers = []adminapi.Breaker{{Name: "payments", Mode: "enforce", State: "closed", Override: adminapi.Override{State: "forced-closed", Actor: "ada", Reason: "a drill", Since: time.Now().Add(-3 * time.Hour)}}}
		}, []string{`breaker payments is forced-closed by ada ("a drill") for 3h, until it is released | foundation why breaker payments`}},
		"a pool without a free worker": {func(s *adminapi.Status) {
			s.Pools = []adminapi.Pool{{Name: "orders", Size: 2, MaxOverflow: 1, CheckedOut: 3, OldestCheckoutSeconds: 120, Waiting: 4}}
			s.Guards = []adminapi.Guard{{Name: "checkout", Pool: "orders", Recent: sick(troubleRefuses, "pool_timeout", 50)}}
			s.Performance.Alerts = []adminapi.Alert{{Operation: "pool:orders:wait", Text: "latency"}}
		}, []string{"pool orders has no free worker: 3 of 3 are lent, the oldest for 2m, 4 calls wait; it takes with it guard checkout (50 % of 100 calls refused) | foundation why pool orders"}},
		"the worst first": {func(s *adminapi.Status) {
			s.Storage.Dropped = 7
			s.Guards = []adminapi.Guard{{Name: "a", Recent: sick(troubleLeave, "", 20)}, {Name: "b", Recent: sick(troubleFails, "", 6)}, {Name: "c", Recent: sick(troubleFails, "", 90)}}
		}, []string{
			"guard c: 90 % of 100 calls fail in the last minute | foundation why guard c", "guard b: 6.0 % of 100 calls fail in the last minute | foundation why guard b",
			"guard a: clients leave: 20 % of 100 calls were given up by their callers in the last minute; half of the others take 0s or longer | foundation why guard a",
			"7 events were lost since the start, because the storage was away or refused them | foundation events --type 'event_store.*'",
		}},
		"a file that was refused": {func(s *adminapi.Status) {
			s.Config = adminapi.ConfigStatus{Revision: 3, LastReloadAt: time.Date(2026, 11, 28, 14, 3, 10, 0, time.UTC), LastReloadError: "x", LastReloadProblems: []fault.Problem{{Field: "breakers.payments.window", Value: "5x", Message: "invalid duration", Position: "foundation.yaml:12:7"}, {Field: "b"}}}
		}, []string{"the reload at 14:03:10Z was refused, revision 3 stays in force: foundation.yaml:12:7: breakers.payments.window 5x: invalid duration, and 1 more fault | foundation config status"}},
		"a breaker that opens and closes in turns": {func(s *adminapi.Status) {
			s.Breakers = []adminapi.Breaker{{
				Name: "payments", State: "closed", SinceSeconds: 2, OpenedBy: []adminapi.Fact{{Name: "failures", Value: 5, Limit: 5, Bounded: true}}, LastErrors: []adminapi.ErrorClass{{Class: "status_503", Count: 40}},
			}}
			s.Guards = []adminapi.Guard{{Name: "checkout", Breaker: "payments", Recent: sick(troubleRefuses, "circuit_open", 38)}}
			s.Routes = []adminapi.Route{{Name: "pay", Guard: "checkout", Recent: sick(troubleRefuses, "circuit_open", 38)}}
		}, []string{"breaker payments was open of late, and is closed for 2s; it opened with failures 5 of 5 (status_503); it takes with it guard checkout (38 % of 100 calls refused), route pay | foundation why breaker payments"}},
		"a breaker that was closed in between": {func(s *adminapi.Status) {
			b := openBreaker("payments")
			since := b.Outage.Began.Add(-time.Minute)
			s.Breakers = []adminapi.Breaker{b}
			s.Guards = []adminapi.Guard{{Name: "checkout", Breaker: "payments", Recent: sick(troubleRefuses, "circuit_open", 38)}}
			s.Guards[0].Recent.Since = since
		}, []string{"breaker payments opens again and again since 14:02:10Z (" + span(time.Since(time.Date(2026, 11, 28, 14, 2, 10, 0, time.UTC)).Seconds()) + "): it is open for 12m: began 14:03:10Z with 62 % of 118 calls failed (dns); last probe failed 3s ago: refused; it takes with it guard checkout (38 % of 100 calls refused) | foundation why breaker payments"}},
		"what began with a revision": {func(s *adminapi.Status) {
			at := time.Date(2026, 11, 28, 14, 3, 10, 0, time.UTC)
			s.Config = adminapi.ConfigStatus{Revision: 2, AppliedAt: at.Add(-4 * time.Second)}
			s.Guards = []adminapi.Guard{{Name: "checkout", RateLimit: "per_client", Recent: sick(troubleRefuses, "rate_limited", 60)}, {Name: "older", Recent: sick(troubleFails, "", 50)}}
			s.Guards[0].Recent.Since, s.Guards[1].Recent.Since = at, at.Add(-time.Hour)
		}, []string{
			"guard checkout refuses 60 % of 100 calls in the last minute (rate_limited by per_client), since 14:03:10Z (0s); revision 2 of the configuration came 4s before it | foundation why guard checkout",
			"guard older: 50 % of 100 calls fail in the last minute, since 13:03:10Z (0s) | foundation why guard older",
		}},
		"memory that is short, and whom it hurts": {func(s *adminapi.Status) {
			s.Memory = adminapi.Memory{Level: "high", Cause: "simulated by ops: game day", Samples: 1, Priorities: []adminapi.Shedding{{Priority: "bulk", Refused: 1}}}
			s.Guards = []adminapi.Guard{{Name: "search", Recent: sick(troubleRefuses, "memory_pressure", 40)}}
		}, []string{"memory pressure is high (simulated by ops: game day), calls are refused: all bulk; it takes with it guard search (40 % of 100 calls refused) | foundation why memory"}},
		"alerts of a guard, its route, and an operation of the program": {func(s *adminapi.Status) {
			at := time.Date(2026, 11, 28, 14, 3, 10, 0, time.UTC)
			s.Guards = []adminapi.Guard{{Name: "checkout"}}
			s.Routes = []adminapi.Route{{Name: "pay", Guard: "checkout"}}
			s.Performance.Alerts = []adminapi.Alert{
				{Operation: "checkout", Kind: "latency", Severity: "error", Text: "p90 419ms, the bound is 100ms", Since: at, SinceSeconds: 53, Calls: 266},
				{Operation: "route:pay", Kind: "latency", Severity: "error", Text: "p90 419ms, normal is 22ms", Since: at, SinceSeconds: 53, Calls: 266},
				{Operation: "render", Kind: "errors", Severity: "error", Text: "errors 12 %, normal is 1 %", Since: at, SinceSeconds: 20, Calls: 40},
			}
		}, []string{
			"guard checkout is slow: p90 419ms, the bound is 100ms, since 14:03:10Z (53s), over 266 calls | foundation why guard checkout",
			"render fails more than it may: errors 12 %, normal is 1 %, since 14:03:10Z (20s), over 40 calls | foundation get operations render",
		}},
		"a breaker that only watches": {func(s *adminapi.Status) {
			b := openBreaker("payments")
			b.Mode = "shadow"
			s.Breakers = []adminapi.Breaker{b}
		}, []string{"breaker payments is open and only watches, in shadow mode, for 12m: began 14:03:10Z with 62 % of 118 calls failed (dns); last probe failed 3s ago: refused | foundation why breaker payments"}},
	} {
		s := calm()
		c.fill(&s)
		verdict, lines := judged(&s)
		if got, want := strings.Join(lines, "\n"), strings.Join(c.want, "\n"); got != want || (verdict == "ok") != (len(c.want) == 0) || len(s.Reasons) != len(c.want) {
			t.Errorf("%s: %s\ngot\n%s\nwant\n%s", name, verdict, got, want)
		}
	}
}
