package config_test

import (
	"strings"
	"testing"

	"github.com/elixirscope/foundation/config"
)

const performanceFile = `version: 1
guards: { checkout: {}, orders.read: {} }
performance:
  tick: 5s
  webhook: "https://hooks.example/T00/secret"
  objectives:
    checkout: { success: 0.999, latency: 250ms, latency_share: 0.99, period: 24h }
  thresholds:
    orders.read: { p99: 250ms, for: 3, of: 5 }
    "route:/payments/": { errors: 0.05 }
`

func TestPerformance_IsReadAndWrittenWithoutTheWebhook(t *testing.T) {
	c := parse(t, performanceFile)
	if p := c.Performance; string(p.Webhook) != "https://hooks.example/T00/secret" || p.Objectives["checkout"].LatencyShare != 0.99 || p.Thresholds["orders.read"].Of != 5 || p.Thresholds["route:/payments/"].Errors != 0.05 {
		t.Errorf("%+v", p)
	}
	if text := c.String(); strings.Contains(text, "T00") || !strings.Contains(text, "route:/payments/") {
		t.Error(text)
	}
}

// Every fault is told with its place, also below a name with dots.
func TestPerformance_RefusesWhatCannotBe(t *testing.T) {
	for old, tt := range map[string]struct{ new, place, message string }{
		"success: 0.999":             {"success: 1.0", "7:26", "below 1"},
		"latency_share: 0.99":        {"latency_share: 2", "7:64", "below 1"},
		"p99: 250ms":                 {"p99: 2h", "9:25", "at most 1m"},
		"errors: 0.05":               {"errors: 5", "10:35", "between 0 and 1"},
		"tick: 5s":                   {"tick: 5", "4:9", "write 5s"},
		"checkout: { success":        {"chekout: { success", "7:5", `did you mean "checkout"`},
		"route:/payments/":           {"pool:orders:wait", "10:5", `no "orders" under pools`},
		"https://hooks.example/T00/": {"ftp://hooks.example/T00/", "5:12", "must be an http or https URL"},
	} {
		_, err := config.Parse("f.yaml", []byte(strings.Replace(performanceFile, old, tt.new, 1)), options)
		text := config.Render(err)
		if err == nil || !strings.Contains(text, "f.yaml:"+tt.place) || !strings.Contains(text, tt.message) || strings.Contains(text, "1 problems") || strings.Contains(text, "secret") {
			t.Errorf("%s: want %s %s\n%s", tt.new, tt.place, tt.message, text)
		}
	}
}
