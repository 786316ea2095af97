package config_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/ratelimit"
)

func ExampleParse() {
	text := `version: 1
breakers:
  payments: { failure_threshold: 5, window: 10s }
guards:
  checkout: { breaker: payments, timeout: "${CHECKOUT_TIMEOUT:-2s}" }
`
	noEnv := func(string) (string, bool) { return "", false }
	c, err := config.Parse("foundation.yaml", []byte(text), config.ParseOptions{LookupEnv: noEnv})
	if err != nil {
		fmt.Print(config.Render(err))
		return
	}
	fmt.Println(c.Breakers["payments"].Window, c.Guards["checkout"].Timeout)
	// Output: 10s 2s
}

func ExampleRender() {
	text := "version: 1\nbreakers:\n  payments: { windw: 10s, cooldown: 3 }\n"
	_, err := config.Parse("foundation.yaml", []byte(text), config.ParseOptions{})
	fmt.Print(config.Render(err))
	// Output:
	// foundation.yaml:3:15: breakers.payments.windw: unknown key; did you mean "window"?
	//       payments: { windw: 10s, cooldown: 3 }
	//                   ^
	// foundation.yaml:3:37: breakers.payments.cooldown 3: 3 of what? write 3s, or another of the units ns, us, ms, s, m, h, d
	//       payments: { windw: 10s, cooldown: 3 }
	//                                         ^
	// 2 problems
}

func ExampleDiff() {
	old := &config.Config{Breakers: map[string]config.Breaker{"payments": {}}}
	next := old.Clone()
	next.Breakers["payments"] = config.Breaker{Config: breaker.Config{Cooldown: time.Minute}}
	for _, change := range config.Diff(old, next) {
		fmt.Println(change)
	}
	// Output: breakers.payments changed: cooldown default → 1m; keeps its state
}

func ExampleConfig_MarshalText() {
	c := &config.Config{
		Storage: &config.Storage{Postgres: "postgres://app:password@db/app"},
		Guards:  map[string]config.Guard{"checkout": {Config: guard.Config{Timeout: 90 * time.Second}}},
	}
	text, err := c.MarshalText()
	fmt.Println(strings.TrimSpace(string(text)), err)
	// Output:
	// version: 1
	// storage:
	//   postgres: (hidden)
	// guards:
	//   checkout:
	//     timeout: 1m30s <nil>
}

func ExampleConfig_Validate() {
	c := &config.Config{
		Breakers: map[string]config.Breaker{"payments": {}},
		Guards:   map[string]config.Guard{"checkout": {Breaker: "paymets", Config: guard.Config{Timeout: -time.Second}}},
	}
	_, err := c.Validate(config.Registry{})
	fmt.Print(config.Render(err))
	// Output:
	// guards.checkout.timeout -1s: must be positive and at most 24h0m0s, or left out
	// guards.checkout.breaker paymets: there is no "paymets" under breakers; did you mean "payments"?
	// 2 problems
}

func ExampleConfig_Validate_warnings() {
	c := &config.Config{RateLimits: map[string]config.RateLimit{"nobody": {Config: ratelimit.Config{Limit: -1}}}}
	fmt.Println(c.Validate(config.Registry{}))
	// Output: [warning: rate_limits.nobody.limit -1: this rule refuses every call] <nil>
}

func ExampleJSONSchema() {
	schema, err := config.JSONSchema(config.Registry{})
	fmt.Println(strings.Contains(string(schema), "draft/2020-12"), err)
	// Output: true <nil>
}

func ExampleSecret() {
	token := config.Secret("0123456789abcdef")
	fmt.Println(token, len(string(token)))
	// Output: (hidden) 16
}

func ExampleLoad() {
	_, err := config.Load(context.Background(), "nowhere.yaml", config.ParseOptions{})
	fmt.Println(err != nil)
	// Output: true
}
