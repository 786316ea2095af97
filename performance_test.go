package foundation_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/perf"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

func openPerformance(t *testing.T, o foundation.Options) *foundation.Foundation {
	t.Helper()
	f, err := foundation.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close(context.Background()) })
	synctest.Wait()
	return f
}

func performance(c perf.Config) *config.Config {
	return &config.Config{
		Guards:      map[string]config.Guard{"checkout": {}, "search": {}},
		Performance: &config.Performance{Config: c},
	}
}

// Guards are watched by their names, without a step on the way of their calls.
func TestPerformance_WatchesGuards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openPerformance(t, foundation.Options{Config: performance(perf.Config{Tick: time.Second, Thresholds: map[string]perf.Threshold{"checkout": {Errors: 0.1, MinCalls: 1}}})})
		g, err := f.Guard("checkout")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond)
		for range 10 {
			_ = g.Do(t.Context(), func(context.Context) error { time.Sleep(100 * time.Millisecond); return errors.New("on purpose") })
			_ = g.Do(t.Context(), func(context.Context) error { time.Sleep(200 * time.Millisecond); return nil })
		}
		time.Sleep(time.Second)
		w, err := f.Performance().Window("checkout", time.Now().Add(-time.Minute), time.Now())
		if err != nil || w.Succeeded != 10 || w.Failed != 10 || w.Quantile(0.5).Round(20*time.Millisecond) != 200*time.Millisecond {
			t.Errorf("%+v, %v, %v", w.Counts, w.Quantile(0.5), err)
		}
		alerts := f.Performance().Alerts()
		if len(alerts) != 1 || alerts[0].Operation != "checkout" || alerts[0].Kind != perf.Errors || alerts[0].Against != 0.1 {
			t.Errorf("%+v", alerts)
		}
		if c := component(t, f, "performance/alerts"); c.Status != health.Warn || c.Output == "" || c.See != "alerts" || !f.Health().Report().Ready {
			t.Errorf("what health says of the alert: %+v", c)
		}
		if s := f.Status().Performance; s == nil || s.Firing != 1 || s.Operations != 2 || s.Idle != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// Operations of the program live as long as the layer, whether the section is on or not.
func TestPerformance_OperationsOutliveASectionThatIsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openPerformance(t, foundation.Options{Config: performance(perf.Config{})})
		op := f.Performance().Operation("import")
		set := func(section *config.Performance) {
			t.Helper()
			if _, err := f.Config().Edit(t.Context(), func(c *config.Config) error { c.Performance = section; return nil }, config.By{}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		count := func(want uint64) {
			t.Helper()
			op.Record(time.Millisecond, outcome.Success)
			if s, err := f.Performance().Snapshot("op:import"); err != nil || s.Succeeded != want {
				t.Errorf("%v, %v; want %d", s, err, want)
			}
		}
		count(1)
		set(&config.Performance{Off: true})
		if s := f.Status(); s.Performance != nil || len(s.Services) != 0 {
			t.Errorf("%+v", s.Services)
		}
		count(2)
		set(&config.Performance{Config: perf.Config{Tick: 5 * time.Second}})
		count(3)
		if s := f.Status().Performance; s == nil || !s.Running || s.Config.Tick != 5*time.Second {
			t.Errorf("%+v", s)
		}
		set(nil)
		if s := f.Status().Performance; s != nil {
			t.Errorf("%+v", s)
		}
	})
}

// A guard that goes takes its operation along, and one of another revision goes on.
func TestPerformance_FollowsTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openPerformance(t, foundation.Options{Config: performance(perf.Config{})})
		g, err := f.Guard("checkout")
		if err != nil {
			t.Fatal(err)
		}
		call := func() { _ = g.Do(t.Context(), func(context.Context) error { return nil }); time.Sleep(2 * time.Second) }
		call()
		if _, err := f.Config().Edit(t.Context(), func(c *config.Config) error {
			c.Guards["checkout"] = config.Guard{Config: guard.Config{Timeout: time.Second}}
			delete(c.Guards, "search")
			return nil
		}, config.By{}); err != nil {
			t.Fatal(err)
		}
		call()
		m := f.Performance()
		if w, err := m.Window("checkout", time.Now().Add(-time.Minute), time.Now()); err != nil || w.Succeeded != 2 {
			t.Errorf("%+v, %v", w, err)
		}
		if _, err := m.Snapshot("search"); !errors.Is(err, fault.NotFound) {
			t.Error(err)
		}
	})
}

func TestPerformance_AWebhookNeedsASender(t *testing.T) {
	c := performance(perf.Config{})
	c.Performance.Webhook = "https://hooks.example/T00"
	_, err := foundation.Open(t.Context(), foundation.Options{Config: c})
	if err == nil || !strings.Contains(err.Error(), "Options.Webhook") || strings.Contains(err.Error(), "T00") {
		t.Error(err)
	}
	synctest.Test(t, func(t *testing.T) {
		sent := make(chan string, 1)
		c.Performance.Tick, c.Performance.Thresholds = time.Second, map[string]perf.Threshold{"checkout": {MinRate: 1}}
		f := openPerformance(t, foundation.Options{Config: c, Webhook: func(_ context.Context, url string, _ []byte) error { sent <- url; return nil }})
		if url := <-sent; url != "https://hooks.example/T00" {
			t.Error(url)
		}
		synctest.Wait()
		if s := f.Status(); s.Performance.Webhook.Delivered != 1 || s.Guards[1].Name != "foundation.webhook" || s.Guards[1].Results[guard.Succeeded] != 1 {
			t.Errorf("%+v", s.Performance.Webhook)
		}
	})
}

// Why calls of a guard did not succeed in the last minute is known by code.
func TestPerformance_KnowsWhyCallsOfAGuardDidNotSucceed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := performance(perf.Config{})
		c.RateLimits = map[string]config.RateLimit{"few": {Config: ratelimit.Config{Limit: 4, Per: time.Hour}}}
		c.Guards["checkout"] = config.Guard{Config: guard.Config{Timeout: 100 * time.Millisecond}, RateLimit: "few"}
		f := openPerformance(t, foundation.Options{Config: c})
		g, err := f.Guard("checkout")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond)
		left, leave := context.WithCancel(t.Context())
		hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		_ = g.Do(t.Context(), hang)
		time.AfterFunc(10*time.Millisecond, leave)
		_ = g.Do(left, hang)
		for range 5 { // two of them pass, and three are refused
			_ = g.Do(t.Context(), func(context.Context) error { return errors.New("on purpose") })
		}
		time.Sleep(2 * time.Second)
		s, err := f.Performance().OperationStatus("checkout", time.Minute)
		want := []perf.ReasonCount{
			{Reason: telemetry.Reason{Of: "failed", Name: "call_timeout"}, Calls: 1},
			{Reason: telemetry.Reason{Of: "ignored", Name: "canceled"}, Calls: 1},
			{Reason: telemetry.Reason{Of: "refused", Name: "rate_limited"}, Calls: 3},
		}
		if err != nil || !slices.Equal(s.Reasons, want) || s.Window.Failed != 3 || s.Window.Ignored != 1 || s.Window.Refused != 3 {
			t.Errorf("%+v, %+v, %v", s.Reasons, s.Window.Counts, err)
		}
	})
}
