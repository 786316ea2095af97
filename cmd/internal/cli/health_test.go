package cli_test

import (
	"github.com/elixirscope/foundation/internal/adminapi"
)

// sick is a layer whose database is away, with what stands on it, and a part that is not
// well by itself.
func sick() adminapi.Health {
	return adminapi.Health{
		APIVersion: "v1", Status: "fail", Score: 20, Ready: false, NotReady: []string{"orders fails"}, Live: true, Started: true,
		Deductions: []adminapi.Deduction{{Component: "orders_db", Points: 70, Why: "impacts orders: hard, fail"}, {Component: "breakers/payments", Points: 10, Why: "soft, warn"}},
		Groups:     []string{"breakers", "shop"},
		Components: []adminapi.HealthComponent{
			{
				Name: "orders_db", Status: "fail", SinceSeconds: 95, Output: "connection refused\x1b[2J", Criticality: "soft", See: "get health orders_db",
				IsCheck: true, Outcome: "failed", InARow: 12, EverySeconds: 10, TimeoutSeconds: 2, LastSeconds: 0.0012, Runs: map[string]uint64{"failed": 12, "passed": 300},
			},
			{Name: "breakers/payments", Status: "warn", SinceSeconds: 12, Output: "it is open: failures 5 of 5", Criticality: "soft", See: "get breakers payments"},
			{
				Name: "orders", Status: "fail", SinceSeconds: 85, Output: "the answer is 503 Service Unavailable", Criticality: "hard", Readiness: true, See: "get health orders",
				Impacted: true, Causes: []string{"orders_db"}, DependsOn: []string{"orders_db"}, IsCheck: true, Outcome: "failed", InARow: 11,
			},
			{Name: "checkout", Status: "warn", SinceSeconds: 80, Output: "it is slow", Criticality: "soft", Impacted: true, Causes: []string{"orders_db"}, DependsOn: []string{"orders"}, IsCheck: true, Outcome: "warned", InARow: 3},
			{Name: "mail", Status: "pass", SinceSeconds: 93784, Criticality: "optional", IsCheck: true, Outcome: "passed", InARow: 300},
			{Name: "pools/db", Status: "pass", Criticality: "soft"},
		},
	}
}
