package ratelimit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/ratelimit"
)

type overrides = map[string]ratelimit.Override

// overridden returns a limiter with overrides.
func overridden(tb testing.TB, c ratelimit.Config, byKey overrides) *ratelimit.Limiter {
	tb.Helper()
	l := must(tb, c)
	if err := l.SetOverrides(byKey); err != nil {
		tb.Fatal(err)
	}
	return l
}

func TestAnOverrideIsWhatItsKeyIsCountedBy(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		if a == ratelimit.LeakyBucket {
			return // admits one at once, whatever its limit
		}
		l := overridden(t, ratelimit.Config{Algorithm: a, Limit: 3, Per: time.Minute}, overrides{
			"acme": {Limit: 5}, "small": {Limit: 1, Per: time.Hour}, "also%20acme": {Limit: 5, Per: time.Minute}, "never": {Limit: -1}, "probe": {Exempt: true},
		})
		for name, want := range map[string]int{"acme": 5, "small": 1, "also acme": 5, "never": 0, "anybody": 3, "probe": 20} {
			if got := take(l, ratelimit.KeyOf(name), 20); got != want {
				t.Errorf("%s: %d calls were admitted, want %d", name, got, want)
			}
		}
		for name, want := range map[string]string{
			"acme": "5 1m0s", "small": "1 1h0m0s", "never": "0 1m0s", "anybody": "3 1m0s",
		} {
			d := l.Allow(ratelimit.KeyOf(name))
			q, ok := d.Quota()
			told, _ := errors.AsType[*fault.Error](d.Err())
			fromError, _ := told.Quota()
			if got := fmt.Sprint(q.Limit, " ", q.Window); !ok || got != want || q != fromError || q.Rule != "rule" {
				t.Errorf("%s: the quota is %+v, of the error %+v, want %s", name, q, fromError, want)
			}
			facts := fmt.Sprint(told.Evidence())
			if limit, _, _ := strings.Cut(want, " "); !strings.Contains(facts, "limit "+limit) {
				t.Errorf("%s: the evidence is %s", name, facts)
			}
		}
		if d := l.Allow(ratelimit.KeyOf("small")); d.RetryAfter < 59*time.Minute && a != ratelimit.FixedWindow && a != ratelimit.SlidingWindow {
			t.Errorf("%+v", d)
		}
		if st := l.Status(); st.Overrides != 5 || st.TrackedKeys != 4 || st.Config.Limit != 3 {
			t.Errorf("%+v", st)
		}
	})
}

func TestAnExemptKey(t *testing.T) {
	l := overridden(t, ratelimit.Config{Limit: 1, Per: time.Hour}, overrides{"probe": {Exempt: true}})
	probe := ratelimit.KeyOf("probe")
	for _, cost := range []int64{1, 100, 0} {
		d := l.AllowN(probe, cost)
		if _, told := d.Quota(); !d.OK || told || d.Source != ratelimit.Exempt || d.Taken != 0 || d.RetryAfter != 0 {
			t.Errorf("a cost of %d: %+v", cost, d)
		}
	}
	if d := l.Peek(probe); !d.OK || d.Source != ratelimit.Exempt {
		t.Errorf("%+v", d)
	}
	if r := l.Reserve(probe, 5); !r.OK || r.Delay() != 0 || l.Wait(t.Context(), probe) != nil {
		t.Errorf("%+v", r)
	}
	parent := must(t, ratelimit.Config{Limit: 2, Per: time.Hour})
	if err := l.SetParent(parent); err != nil {
		t.Fatal(err)
	}
	d := l.Allow(probe)
	if q, told := d.Quota(); !d.OK || !told || q.Limit != 2 || d.Source != ratelimit.Local || d.Remaining != 1 {
		t.Errorf("with a parent: %+v", d)
	}
	if d.Refund(); take(l, probe, 5) != 2 {
		t.Error("the parent does not count")
	}
	if err := parent.SetOverrides(overrides{"probe": {Exempt: true}}); err != nil {
		t.Fatal(err)
	}
	if take(l, probe, 5) != 5 || take(l, user, 3) != 1 {
		t.Error("a parent that lets it pass refuses it, or another")
	}
	if err := l.SetOverrides(nil); err != nil {
		t.Fatal(err)
	}
	if d := l.Allow(probe); !d.OK || d.Source != ratelimit.Local || d.Limit != 1 {
		t.Errorf("a rule whose parent lets it pass: %+v", d)
	}
}

func TestOverridesInOtherModes(t *testing.T) {
	cfg := ratelimit.Config{Limit: 1, Per: time.Hour, Mode: mode.Shadow}
	l := overridden(t, cfg, overrides{"acme": {Limit: 2}, "probe": {Exempt: true}})
	acme := ratelimit.KeyOf("acme")
	take(l, acme, 2)
	if d := l.Allow(acme); !d.OK || !d.WouldRefuse() || d.Limit != 2 {
		t.Errorf("%+v", d)
	}
	if d := l.Allow(ratelimit.KeyOf("probe")); !d.OK || d.WouldRefuse() {
		t.Errorf("%+v", d)
	}
	cfg.Mode = mode.Enforce
	if err := l.Reconfigure(cfg); err != nil {
		t.Fatal(err)
	}
	if d := l.Allow(acme); d.OK || d.Limit != 2 {
		t.Errorf("%+v", d)
	}
}

func TestOverridesOfFirstParts(t *testing.T) {
	l := overridden(t, ratelimit.Config{Limit: 1, Per: time.Hour, Parts: 1}, overrides{"acme": {Limit: 2}, "7": {Limit: 3}, "-": {Limit: 4}, "!true": {Limit: 5}})
	for want, k := range map[int]ratelimit.Key{
		2: ratelimit.KeyOf("acme", "user"), 3: ratelimit.KeyOf(7, 8), 4: ratelimit.KeyOf("", "x"), 5: ratelimit.KeyOf(true), 1: ratelimit.KeyOf("true"),
	} {
		if got := take(l, k, 9); got != want {
			t.Errorf("%v: %d", k, got)
		}
	}
	if o, ok := l.OverrideOf(ratelimit.KeyOf("acme", "other")); !ok || o != (ratelimit.Override{Limit: 2, Per: time.Hour, Burst: 2}) {
		t.Errorf("%+v, %v", o, ok)
	}
	if o, ok := l.OverrideOf(user); ok {
		t.Errorf("%+v", o)
	}
}

func TestWhatAnOverrideInherits(t *testing.T) {
	for _, c := range []struct {
		rule ratelimit.Config
		o    ratelimit.Override
		want ratelimit.Override
	}{
		{ratelimit.Config{Limit: 10}, ratelimit.Override{Limit: 50}, ratelimit.Override{Limit: 50, Per: time.Second, Burst: 50}},
		{ratelimit.Config{Limit: 10, Per: time.Minute, Burst: 3}, ratelimit.Override{Limit: 50}, ratelimit.Override{Limit: 50, Per: time.Minute, Burst: 3}},
		{ratelimit.Config{Limit: 10, Per: time.Minute, Burst: 3}, ratelimit.Override{Burst: 7}, ratelimit.Override{Limit: 10, Per: time.Minute, Burst: 7}},
		{ratelimit.Config{Limit: 10, Burst: 3}, ratelimit.Override{Limit: -1}, ratelimit.Override{Limit: -1, Per: time.Second}},
		{ratelimit.Config{Limit: -1}, ratelimit.Override{Limit: 4, Per: time.Hour}, ratelimit.Override{Limit: 4, Per: time.Hour, Burst: 4}},
		{ratelimit.Config{Limit: 10, Algorithm: ratelimit.FixedWindow}, ratelimit.Override{Per: time.Hour}, ratelimit.Override{Limit: 10, Per: time.Hour}},
		{ratelimit.Config{Limit: 10}, ratelimit.Override{Exempt: true}, ratelimit.Override{Exempt: true}},
	} {
		l := overridden(t, c.rule, overrides{"k": c.o})
		if got, _ := l.OverrideOf(ratelimit.KeyOf("k")); got != c.want {
			t.Errorf("%+v under %+v: %+v, want %+v", c.o, c.rule, got, c.want)
		}
	}
}

func TestOverridesThatCannotBeAreRefusedTogether(t *testing.T) {
	l := overridden(t, ratelimit.Config{Limit: 3, Parts: 2}, overrides{"kept": {Limit: 5}})
	err := l.SetOverrides(overrides{
		"": {Limit: 1}, "a/b/c": {Limit: 1}, "a b": {Limit: 1}, "a%20b": {Limit: 2}, "empty": {}, "both": {Limit: 1, Exempt: true},
		"past": {Per: -time.Second}, "less": {Burst: -1}, "odd": {Limit: -1, Burst: 2}, "fine": {Limit: 8},
	})
	for _, want := range []string{
		`overrides[""]: is no key; an empty part is written "-"`,
		`overrides["a/b/c"]: has 3 parts, and the rule looks at 2; did you mean "a/b"?`,
		`overrides["a b"]: is the same key as "a%20b"; keep one of them`,
		`overrides["both"]: is exempt and has numbers; keep one of them`,
		`overrides["empty"]: says nothing: give limit, per or burst, or the word exempt`,
		`overrides["less"].burst -1: must be at least 1`,
		`overrides["odd"].burst 2: must be left out of a rule that refuses every call`,
		`overrides["past"].per -1s: must be longer than 0`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
	if fe, _ := errors.AsType[*fault.Error](err); fe == nil || len(fe.Problems()) != 8 || fe.Code() != fault.InvalidConfig {
		t.Errorf("%v", err)
	}
	if got := take(l, ratelimit.KeyOf("kept"), 9); got != 5 || take(l, ratelimit.KeyOf("fine"), 9) != 3 {
		t.Error("a refused change has changed something")
	}
	one := must(t, ratelimit.Config{Limit: 3, Parts: -1})
	if err := one.SetOverrides(overrides{"a": {Limit: 1}}); err == nil || !strings.Contains(err.Error(), "one bucket for everybody (parts: 0)") {
		t.Error(err)
	}
	windows := must(t, ratelimit.Config{Limit: 3, Algorithm: ratelimit.FixedWindow})
	if err := windows.SetOverrides(overrides{"a": {Burst: 1}}); err == nil || !strings.Contains(err.Error(), "fixed_window has no burst") {
		t.Error(err)
	}
	if err := windows.Status().Config.ValidateOverrides(overrides{"a": {Burst: 1}}); err == nil {
		t.Error("it is valid before it is set")
	}
}

// A change of the rule that its overrides cannot follow is refused, and is possible with others.
func TestARuleAndItsOverridesChangeTogether(t *testing.T) {
	l := overridden(t, ratelimit.Config{Limit: 3, Per: time.Hour}, overrides{"a/b": {Limit: 5, Burst: 2}})
	narrow := ratelimit.Config{Limit: 3, Per: time.Hour, Parts: 1, Algorithm: ratelimit.FixedWindow}
	err := l.Reconfigure(narrow)
	if err == nil || !strings.Contains(err.Error(), `overrides["a/b"]: has 2 parts`) || !strings.Contains(err.Error(), `["a/b"].burst 2: fixed_window`) {
		t.Error(err)
	}
	if l.Status().Revision != 2 {
		t.Error("a refused change counts")
	}
	if err := l.ReconfigureWith(narrow, overrides{"a": {Limit: 5}}); err != nil {
		t.Fatal(err)
	}
	if got := take(l, ratelimit.KeyOf("a", "b"), 9); got != 5 || l.Status().Revision != 3 {
		t.Error(got, l.Status().Revision)
	}
	if err := l.ReconfigureWith(narrow, overrides{"a": {Limit: 5}}); err != nil || l.Status().Revision != 3 {
		t.Error("an equal change counts", err)
	}
}

func TestTheMapOfOverridesIsTheCallers(t *testing.T) {
	given := overrides{"a": {Limit: 5}}
	l := overridden(t, ratelimit.Config{Limit: 3}, given)
	given["a"] = ratelimit.Override{Limit: 7}
	if err := l.SetOverrides(given); err != nil {
		t.Fatal(err)
	}
	if o, _ := l.OverrideOf(ratelimit.KeyOf("a")); o.Limit != 7 {
		t.Errorf("%+v", o)
	}
}

// What is configured has a place, however many keys come that are not.
func TestAFloodDoesNotReachKeysWithAnOverride(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		if a == ratelimit.LeakyBucket {
			return
		}
		cfg := ratelimit.Config{Algorithm: a, Limit: 1, Per: time.Hour, MaxKeys: 8}
		l := must(t, cfg)
		flood := func() {
			for i := range 20_000 {
				l.Allow(ratelimit.KeyOf("flood", i))
			}
		}
		flood()
		byKey := overrides{}
		for i := range 100 {
			byKey[fmt.Sprint("customer/", i)] = ratelimit.Override{Limit: int64(2 + i%3)}
		}
		if err := l.SetOverrides(byKey); err != nil {
			t.Fatal(err)
		}
		flood()
		for i := range 100 {
			k := ratelimit.KeyOf("customer", i)
			// What the bucket has counted that it shared stays counted.
			if got := take(l, k, 9); got > 2+i%3 || got < 1+i%3-1 && got != 0 {
				t.Fatal(i, got)
			}
		}
		over := l.Status().Overflowed
		time.Sleep(3 * time.Hour)
		flood()
		over = l.Status().Overflowed - over
		for i := range 100 {
			if got := take(l, ratelimit.KeyOf("customer", i), 9); got != 2+i%3 {
				t.Fatal(i, got)
			}
		}
		if l.Status().Overflowed > 3*20_000 || over > 20_000 {
			t.Error("keys with an override were counted with others")
		}
	})
}

// Of a key that leaves a full limiter's table nothing is lost, nor when it comes back.
func TestOverridesOfAFullLimiter(t *testing.T) {
	l := must(t, ratelimit.Config{Limit: 10, Per: time.Hour, MaxKeys: 2})
	for i := range 50 {
		l.Allow(ratelimit.KeyOf("flood", i))
	}
	k := ratelimit.KeyOf("in a bucket")
	take(l, k, 6)
	left := l.Peek(k).Remaining
	if err := l.SetOverrides(overrides{"in%20a%20bucket": {Limit: 20}}); err != nil {
		t.Fatal(err)
	}
	if got := l.Peek(k).Remaining; got != left+10 {
		t.Errorf("%d left before, %d with 10 more", left, got)
	}
	take(l, k, 3)
	if err := l.SetOverrides(nil); err != nil {
		t.Fatal(err)
	}
	if got := l.Peek(k).Remaining; got != left-3 || l.Status().TrackedKeys != 3 {
		t.Errorf("%d left, want %d; %+v", got, left-3, l.Status())
	}
}

func TestReceiptsOfKeysWithOverrides(t *testing.T) {
	cfg := ratelimit.Config{Limit: 10, Per: time.Hour}
	left := func(l *ratelimit.Limiter, name string) int64 { return l.Peek(ratelimit.KeyOf(name)).Remaining }
	set := func(l *ratelimit.Limiter, byKey overrides) {
		if err := l.SetOverrides(byKey); err != nil {
			t.Fatal(err)
		}
	}
	l := overridden(t, cfg, overrides{"a": {Limit: 20}, "b": {Limit: 20}})
	a, other := l.Allow(ratelimit.KeyOf("a")), l.Allow(ratelimit.KeyOf("other"))
	set(l, overrides{"a": {Limit: 20}, "c": {Limit: 30}}) // b goes, c comes, a and others stay what they are
	a.Refund()
	other.Refund()
	if left(l, "a") != 20 || left(l, "other") != 10 {
		t.Error("receipts of keys that no override was changed of are void", left(l, "a"), left(l, "other"))
	}
	for name, way := range map[string][]overrides{
		"comes":          {{"k": {Limit: 20}}},
		"comes and goes": {{"k": {Limit: 20}}, nil},
		"exempt":         {{"k": {Exempt: true}}, {"k": {Limit: 20}}, {"k": {Exempt: true}}, nil},
	} {
		l := must(t, cfg)
		k := ratelimit.KeyOf("k")
		first := l.Allow(k)
		for _, byKey := range way {
			set(l, byKey)
			take(l, k, 1)
		}
		before := left(l, "k")
		if first.Refund(); left(l, "k") != before {
			t.Errorf("%s: a receipt gave back what was counted by other numbers", name)
		}
		d := l.Allow(k)
		if d.Refund(); left(l, "k") != before {
			t.Errorf("%s: a receipt of after the change is void", name)
		}
	}
	l = overridden(t, cfg, overrides{"k": {Exempt: true}}) // nothing was counted meanwhile
	set(l, nil)
	d := l.Allow(ratelimit.KeyOf("k"))
	set(l, overrides{"k": {Exempt: true}})
	set(l, nil)
	if d.Refund(); left(l, "k") != 10 {
		t.Error("a receipt is void of a key that was counted by nobody meanwhile")
	}
}

// The table of the rule has room for what a key has taken by greater numbers.
func TestAKeyComesBackWithMoreThanTheRuleGives(t *testing.T) {
	cfg := ratelimit.Config{Limit: 3, Per: time.Minute, Algorithm: ratelimit.SlidingWindow}
	synctest.Test(t, func(t *testing.T) {
		l, plain, k := must(t, cfg), must(t, cfg), ratelimit.KeyOf("k")
		more := cfg
		more.Limit = 60
		if err := errors.Join(l.SetOverrides(overrides{"k": {Limit: 60}}), plain.Reconfigure(more)); err != nil {
			t.Fatal(err)
		}
		if take(l, k, 60) != 60 || take(plain, k, 60) != 60 {
			t.Fatal("refused")
		}
		if err := errors.Join(l.SetOverrides(nil), plain.Reconfigure(cfg)); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if got, want := l.Peek(k), plain.Peek(k); got.RetryAfter != want.RetryAfter || got.ResetAfter != want.ResetAfter {
				t.Errorf("got %+v, want %+v", got, want)
			}
			time.Sleep(7 * time.Second)
		}
	})
}

func TestResetsAndTrimsOfKeysWithOverrides(t *testing.T) {
	l := overridden(t, ratelimit.Config{Limit: 1, Per: time.Hour}, overrides{"a": {Limit: 4}})
	a := ratelimit.KeyOf("a")
	take(l, a, 4)
	if err := l.Reset(a, ""); err != nil || take(l, a, 9) != 4 {
		t.Error(err)
	}
	if l.Trim(); take(l, a, 1) != 0 {
		t.Error("a key was dropped that has taken something")
	}
}

func TestWaitingUnderAnOverride(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := overridden(t, ratelimit.Config{Algorithm: ratelimit.LeakyBucket, Limit: 1, Per: time.Hour, Burst: 1}, overrides{"a": {Limit: 1, Per: time.Second, Burst: 2}})
		a, start := ratelimit.KeyOf("a"), time.Now()
		take(l, a, 1)
		ended := make(chan error, 3)
		for range 3 {
			go func() { ended <- l.Wait(t.Context(), a) }()
			synctest.Wait()
		}
		if err := <-ended; !errors.Is(err, fault.RateLimited) {
			t.Error("a third waits where two may", err)
		}
		if err := errors.Join(<-ended, <-ended); err != nil || time.Since(start) != 2*time.Second {
			t.Error(err, time.Since(start))
		}
		go func() { ended <- l.Wait(t.Context(), a) }()
		synctest.Wait()
		err := l.SetOverrides(overrides{"a": {Exempt: true}})
		if d := l.Allow(a); !d.OK {
			t.Errorf("an exempt call waits behind others: %+v", d)
		}
		if err != nil || <-ended != nil || time.Since(start) != 2*time.Second {
			t.Error("a call still waits for whom nothing is counted any more")
		}
	})
}

func TestARemoteIsToldTheNumbersOfTheKey(t *testing.T) {
	l, a := remotely(t, ratelimit.Config{Limit: 3, Per: time.Minute})
	if err := l.SetOverrides(overrides{"acme": {Limit: 9}, "probe": {Exempt: true}, "never": {Limit: -1}}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"acme", "probe", "never", "anybody"} {
		l.Allow(ratelimit.KeyOf(name))
		l.Peek(ratelimit.KeyOf(name))
	}
	for i, want := range []string{"acme 9 9", "acme 9 9", "anybody 3 3", "anybody 3 3"} {
		ask := a.asks[i]
		if got := fmt.Sprint(ask.Key, ask.Config.Limit, ask.Config.Burst); got != strings.ReplaceAll(want, " ", "") && got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := a.asked(); got != "take acme, peek acme, take anybody, peek anybody" {
		t.Error(got)
	}
	if err := l.Reset(ratelimit.KeyOf("acme"), ""); err != nil || a.asks[0].Config.Limit != 9 {
		t.Error(err)
	}
	if d := l.AllowN(ratelimit.KeyOf("acme"), 10); d.Code() != fault.InvalidArgument || d.Limit != 3 && d.Limit != 9 {
		t.Errorf("%+v", d)
	}
}
