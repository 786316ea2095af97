package shared_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
	"github.com/elixirscope/foundation/telemetry"
)

// told is a store that says what its server is.
type told struct {
	*faulty

	err error
}

func (s told) Inspect(context.Context) (server string, warnings []string, err error) {
	return "memory 1", []string{"everything is lost at the end"}, s.err
}

func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule := newFaulty(), hourly(3)
		c := counters(t, told{store, nil}, shared.Options{})
		c.SetInstances(3)
		r := c.Rule("b", shared.Policy{OnError: shared.Deny, Prefetch: 7})
		c.Rule("a", shared.Policy{})
		c.SetInstances(0)
		synctest.Wait()
		began := time.Now()
		for range 3 {
			take(t, r, rule)
		}
		refused(t, r, rule, 1)
		refused(t, r, rule, 1)
		store.fail(errDown)
		for range 4 {
			if _, err := r.Take(t.Context(), ask(rule, ratelimit.KeyOf("x"), 1)); !errors.Is(err, fault.Unavailable) || !errors.Is(err, errDown) {
				t.Error(err)
			}
		}
		<-time.After(10 * time.Second)
		st := c.Status()
		if !st.Away || !st.Since.Equal(began) || st.AwayFor != 10*time.Second || st.Cause != errDown.Error() || st.Instances != 1 ||
			st.Server != "memory 1" || len(st.Warnings) != 1 || len(st.Rules) != 2 || st.Rules[0].Name != "a" {
			t.Errorf("%+v", st)
		}
		want := shared.RuleStatus{Name: "b", Policy: shared.Policy{OnError: shared.Deny, Prefetch: 7}, Shared: 4, Cached: 1, Refused: 4}
		if st.Rules[1] != want {
			t.Errorf("%+v", st.Rules[1])
		}
		store.fail(nil)
		<-time.After(5 * time.Second)
		if st = c.Status(); st.Away || st.AwayFor < 10*time.Second || st.AwayFor > 15*time.Second || !st.Since.After(began) {
			t.Errorf("%+v", st)
		}
	})
}

func TestAServerThatCannotBeInspectedIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := counters(t, told{newFaulty(), errDown}, shared.Options{})
		synctest.Wait()
		if st := c.Status(); st.Fault != errDown.Error() || st.Away {
			t.Errorf("%+v", st)
		}
	})
}

func TestEverySeriesIsThereFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := counters(t, newFaulty(), shared.Options{})
		c.Rule("rule", shared.Policy{})
		series := map[string]float64{}
		c.Collect(func(s telemetry.Sample) {
			if len(s.Labels) != len(s.Desc.Labels) || !strings.HasPrefix(s.Desc.Name, "foundation_limiter_shared_") {
				t.Errorf("%+v", s)
			}
			series[s.Desc.Name+" "+strings.Join(s.Labels, " ")] = s.Value
		})
		for _, source := range []string{"shared", "cached", "prefetched", "fallback", "refused"} {
			if v, ok := series["foundation_limiter_shared_decisions_total rule "+source]; !ok || v != 0 {
				t.Errorf("%s: %v, %v", source, v, ok)
			}
		}
		if series["foundation_limiter_shared_store_up "] != 1 || series["foundation_limiter_shared_instances "] != 1 {
			t.Errorf("%v", series)
		}
		c.Forget("rule")
		c.Collect(func(s telemetry.Sample) {
			if s.Desc.Name == "foundation_limiter_shared_decisions_total" {
				t.Errorf("of a rule that is gone: %+v", s)
			}
		})
	})
}

func TestOneRemoteForEachName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := counters(t, newFaulty(), shared.Options{})
		a := c.Rule("a", shared.Policy{})
		if c.Rule("a", shared.Policy{OnError: shared.Allow}) != a || c.Rule("b", shared.Policy{}) == a {
			t.Error("a name has one remote, and another name another")
		}
		if got := c.Status().Rules[0].Policy.OnError; got != shared.Allow {
			t.Errorf("the policy is %v", got)
		}
		c.Forget("a")
		c.Forget("never known")
		if c.Rule("a", shared.Policy{}) == a {
			t.Error("a rule that was forgotten came back")
		}
	})
}

func TestTheEventSaysWhatIsDoneInstead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule, heard := newFaulty(), hourly(100), record(t)
		c := counters(t, store, shared.Options{Bus: heard.bus})
		c.Rule("deny", shared.Policy{OnError: shared.Deny})
		c.Rule("admit", shared.Policy{OnError: shared.Allow})
		c.Rule("z", shared.Policy{})
		goes(t, c.Rule("local", shared.Policy{}), store, rule)
		all := heard.list()
		if len(all) != 1 {
			t.Fatalf("%+v", all)
		}
		e, ok := all[0].(shared.StoreFailed)
		if !ok || !slices.Equal(e.Local, []string{"local", "z"}) || !slices.Equal(e.Allowed, []string{"admit"}) ||
			!slices.Equal(e.Denied, []string{"deny"}) || e.At.IsZero() {
			t.Errorf("%+v", all[0])
		}
	})
}

// A store that answers probes alone does not come and go: it is probed ever more seldom.
func TestAStoreThatAnswersProbesAloneIsToldOfSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rule, heard := newFaulty(), hourly(100_000), record(t)
		c := counters(t, onlyProbes{store}, shared.Options{Bus: heard.bus})
		r := c.Rule("rule", shared.Policy{})
		for range 60_000 {
			take(t, r, rule)
			<-time.After(time.Millisecond)
		}
		if n := len(heard.list()); n < 50 || n > 90 {
			t.Errorf("%d events in a minute", n)
		}
	})
}

type onlyProbes struct{ *faulty }

func (s onlyProbes) Take(ctx context.Context, rule shared.Rule, key ratelimit.Key, cost int64) (ratelimit.Decision, error) {
	if rule.Name == "rule" {
		return ratelimit.Decision{}, errDown
	}
	return s.faulty.Take(ctx, rule, key, cost)
}

func TestNamesOfPolicies(t *testing.T) {
	for want, p := range map[string]shared.OnError{"local": shared.Local, "allow": shared.Allow, "deny": shared.Deny} {
		var back shared.OnError
		if err := back.UnmarshalText([]byte(want)); err != nil || back != p || p.String() != want {
			t.Errorf("%q: %v, %v", want, back, err)
		}
	}
}
