package health_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/telemetry"
)

// SCENARIOS 95: well, not well, an error, a panic, the end of the goroutine and slowness
// are told apart, and nothing of them is left.
func TestScenario95_EveryWayToEndIsAResultOfItsOwn(t *testing.T) {
	for _, tt := range []struct {
		name   string
		run    func(context.Context) error
		want   health.Outcome
		status health.Status
		output string
	}{
		{"well", func(context.Context) error { return nil }, health.Passed, health.Pass, ""},
		{"not quite well", func(context.Context) error { return health.Warning(errors.New("12 % free")) }, health.Warned, health.Warn, "12 % free"},
		{"error", func(context.Context) error { return errDown }, health.Failed, health.Fail, "connection refused"},
		{"panic", func(context.Context) error { panic("no such table") }, health.Panicked, health.Fail, "no such table"},
		{"goexit", func(context.Context) error { runtime.Goexit(); return nil }, health.Exited, health.Fail, "ended its goroutine"},
		{"slow, and obeys its context", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, health.TimedOut, health.Fail, "not done within 2s"},
		{"slow, and says that all is well", func(ctx context.Context) error { <-ctx.Done(); return nil }, health.TimedOut, health.Fail, "not done within 2s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, health.Options{}, check("it", tt.run, health.Config{Criticality: health.Hard}))
				pass(3 * time.Second)
				c := s.component(t, "it")
				if c.Check.Outcome != tt.want || c.Status != tt.status || !strings.Contains(c.Output, tt.output) {
					t.Errorf("got %v, %v, %q, want %v, %v, %q", c.Check.Outcome, c.Status, c.Output, tt.want, tt.status, tt.output)
				}
				if c.Check.Runs[tt.want] != 1 || c.Check.Hanging {
					t.Errorf("got runs %v, hanging %v", c.Check.Runs, c.Check.Hanging)
				}
			})
		})
	}
}

func TestCheck_OneThatIgnoresItsContextIsNamedAndNotStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		entered := 0
		stuck := func(context.Context) error { entered++; <-release; return nil }
		others := &script{}
		s := serve(t, health.Options{Concurrency: 1}, check("stuck", stuck, health.Config{Criticality: health.Hard}), check("other", others.run, health.Config{}))
		pass(95 * time.Second)
		if entered != 1 {
			t.Fatalf("the check was started %d times while it hung", entered)
		}
		c := s.component(t, "stuck")
		if c.Check.Outcome != health.Hung || !c.Check.Hanging || c.Status != health.Fail || !strings.Contains(c.Output, "ignores") {
			t.Errorf("got %v, hanging %v, %v, %q", c.Check.Outcome, c.Check.Hanging, c.Status, c.Output)
		}
		if n := c.Check.Runs[health.Hung]; n < 8 || n > 12 {
			t.Errorf("%d rounds were counted in 95 s", n)
		}
		if n := others.runs.Load(); n < 8 {
			t.Errorf("a check that hangs holds the only place: the other ran %d times", n)
		}
		close(release)
		pass(time.Second)
		if c := s.component(t, "stuck"); c.Check.Hanging || c.Check.Late != 1 || c.Check.Outcome != health.Hung {
			t.Errorf("the late result: hanging %v, late %d, outcome %v", c.Check.Hanging, c.Check.Late, c.Check.Outcome)
		}
		pass(25 * time.Second)
		if c := s.component(t, "stuck"); c.Status != health.Pass || entered < 2 {
			t.Errorf("after it returned: %v, started %d times", c.Status, entered)
		}
	})
}

// A name that is given to another check while a run of the old one hangs must not let runs
// pile up either.
func TestCheck_AReplacedCheckWaitsForTheRunThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := serve(t, health.Options{}, check("it", func(context.Context) error { <-release; return errDown }, health.Config{}))
		pass(time.Second)
		next := &script{}
		for range 20 {
			s.Remove("it")
			if err := s.Add(check("it", next.run, health.Config{})); err != nil {
				t.Fatal(err)
			}
			pass(5 * time.Second)
		}
		if n := next.runs.Load(); n != 0 {
			t.Errorf("the new check ran %d times beside the old one", n)
		}
		close(release)
		pass(25 * time.Second)
		if c := s.component(t, "it"); c.Status != health.Pass || c.Check.Runs[health.Failed] != 0 {
			t.Errorf("got %v, runs %v: the result of the old check was not discarded", c.Status, c.Check.Runs)
		}
	})
}

func TestHysteresis_ThreeFailuresAndTwoPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		it := &script{}
		s := serve(t, health.Options{}, check("db", it.run, health.Config{Every: 10 * time.Second, Criticality: health.Hard}))
		pass(time.Second)
		if got := s.component(t, "db").Status; got != health.Pass {
			t.Fatalf("the first result counts at once: got %v", got)
		}
		it.set(errDown)
		began := time.Now()
		for s.component(t, "db").Status != health.Fail {
			pass(100 * time.Millisecond)
			if c := s.component(t, "db"); c.Check.Outcome == health.Failed && c.Status == health.Pass && !strings.Contains(c.Output, "to be confirmed") {
				t.Fatalf("a failure that is not confirmed must say so: %q", c.Output)
			}
		}
		if took := time.Since(began); took < 20*time.Second || took > 34*time.Second {
			t.Errorf("found after %v, want the third failure", took)
		}
		if runs := s.component(t, "db").Check.Runs[health.Failed]; runs != 3 {
			t.Errorf("found by %d failures, want 3", runs)
		}
		it.set(nil)
		for s.component(t, "db").Status != health.Pass {
			pass(100 * time.Millisecond)
		}
		if row := s.component(t, "db").Check.Row; row != 2 {
			t.Errorf("cleared by %d passes, want 2", row)
		}
		if got, want := s.of("db"), []health.Status{health.Pass, health.Fail, health.Pass}; !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
		if got, want := s.of(""), []health.Status{health.Unknown, health.Pass, health.Fail, health.Pass}; !slices.Equal(got[len(got)-3:], want[1:]) {
			t.Errorf("of the whole told %v, want %v", got, want)
		}
	})
}

func TestFlapping_HoldsTheStatusAndTellsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		flip := func(context.Context) error {
			if n++; n%2 == 0 && n < 60 {
				return errDown
			}
			return nil
		}
		s := serve(t, health.Options{}, check("it", flip, health.Config{Every: time.Second}))
		pass(8 * time.Second)
		if c := s.component(t, "it"); !c.Check.Flapping || c.Status != health.Warn || !strings.Contains(c.Output, "flaps") {
			t.Fatalf("after 8 results: %v, flapping %v at %.0f %%, %q", c.Status, c.Check.Flapping, c.Check.Changed, c.Output)
		}
		told := len(s.of("it"))
		pass(50 * time.Second)
		if now := len(s.of("it")); now != told {
			t.Errorf("%d edges were told while it flapped", now-told)
		}
		pass(30 * time.Second)
		if c := s.component(t, "it"); c.Check.Flapping || c.Status != health.Pass {
			t.Errorf("after it calmed down: %v, flapping %v", c.Status, c.Check.Flapping)
		}
		if now := len(s.of("it")); now != told+1 {
			t.Errorf("the end was told %d times, want once", now-told)
		}
	})
}

func TestFlapping_AnOutageWhileItFlapsIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		flip := func(context.Context) error {
			if n++; n%2 == 0 || n > 20 {
				return errDown
			}
			return nil
		}
		s := serve(t, health.Options{}, check("it", flip, health.Config{Every: time.Second}))
		pass(30 * time.Second)
		if got := s.of("it"); got[len(got)-1] != health.Fail {
			t.Errorf("told %v: the outage is missing", got)
		}
	})
}

func TestRootCause_DependentsAreImpactedAndNotAlarmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := &script{}
		bus := telemetry.NewBus()
		var loud []string
		if _, err := bus.SubscribeEdges("edges", func(_ context.Context, e telemetry.Edge) {
			if name, severity := e.Edge(); severity == fault.SeverityError {
				loud = append(loud, name)
			}
		}); err != nil {
			t.Fatal(err)
		}
		s := serve(t, health.Options{Bus: bus},
			check("network", down.run, health.Config{Every: 11 * time.Second}),
			check("db", down.run, health.Config{DependsOn: []string{"network"}}),
			check("orders", down.run, health.Config{DependsOn: []string{"db"}, Criticality: health.Hard}),
			check("mail", (&script{}).run, health.Config{DependsOn: []string{"network"}}),
		)
		pass(30 * time.Second)
		down.set(errDown)
		pass(60 * time.Second)
		r := s.Report()
		if first := r.Components[0]; first.Name != "network" || first.Impacted {
			t.Errorf("the first component is %s, impacted %v; want the root cause", first.Name, first.Impacted)
		}
		for _, name := range []string{"db", "orders"} {
			if c := s.component(t, name); !c.Impacted || !slices.Equal(c.Causes, []string{"network"}) {
				t.Errorf("%s: impacted %v by %v", name, c.Impacted, c.Causes)
			}
		}
		if c := s.component(t, "mail"); c.Impacted || c.Status != health.Pass {
			t.Errorf("what is well is impacted by nothing: %v, %v", c.Impacted, c.Status)
		}
		if r.Status != health.Fail || r.Score != 30 || len(r.Deductions) != 1 || r.Deductions[0].Component != "network" {
			t.Errorf("got %v, score %d, %v: want one deduction, for the root cause", r.Status, r.Score, r.Deductions)
		}
		slices.Sort(loud)
		if want := []string{"health", "network"}; !slices.Equal(slices.Compact(loud), want) {
			t.Errorf("reported as errors: %v, want %v", loud, want)
		}
	})
}

func TestAdd_RefusesWhatMakesNoSenseAllAtOnce(t *testing.T) {
	a := health.New(health.Options{})
	run := (&script{}).run
	err := a.Add(
		health.Check{Name: "Bad name", Config: health.Config{Every: time.Second, Timeout: 2 * time.Second}},
		check("a", run, health.Config{DependsOn: []string{"b"}}),
		check("b", run, health.Config{DependsOn: []string{"c"}}),
		check("c", run, health.Config{DependsOn: []string{"a"}}),
		check("d", run, health.Config{DependsOn: []string{"bb"}, Every: time.Nanosecond, FailAfter: 11, PassAfter: -1, Groups: []string{"no good"}}),
		check("e", run, health.Config{Every: -1}),
	)
	if !errors.Is(err, fault.InvalidConfig) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"a → b → c → a", "longer than every", "run", "between 100ms", "fail_after", "pass_after", `did you mean "b"`, "groups", "e.every"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if r := a.Report(); len(r.Components) != 0 {
		t.Errorf("%d checks were added all the same", len(r.Components))
	}
	if err := a.Add(check("a", run, health.Config{})); err != nil {
		t.Fatal(err)
	}
	if err := a.Add(check("a", run, health.Config{})); !errors.Is(err, fault.AlreadyExists) {
		t.Errorf("the second of a name: %v", err)
	}
}

func TestPrepare_KeepsTheStateOfWhatGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		it, other := &script{}, &script{}
		it.set(errDown)
		s := serve(t, health.Options{}, check("it", it.run, health.Config{}), check("gone", other.run, health.Config{}))
		pass(25 * time.Second)
		before := s.component(t, "it")
		commit, err := s.Prepare([]string{"it", "gone"}, []health.Check{{Name: "it", Config: health.Config{Criticality: health.Hard}}, check("new", other.run, health.Config{})})
		if err != nil {
			t.Fatal(err)
		}
		commit()
		after := s.component(t, "it")
		if after.Criticality != health.Hard || after.Check.Runs[health.Failed] != before.Check.Runs[health.Failed] || after.Status != health.Fail {
			t.Errorf("got %+v with %v, before %v", after, after.Check.Runs, before.Check.Runs)
		}
		if _, still := s.Report().Find("gone"); still {
			t.Error("the check that was left out is still there")
		}
		if _, err := s.Prepare([]string{"it"}, []health.Check{{Name: "nobody"}}); !errors.Is(err, fault.InvalidConfig) {
			t.Errorf("a check without a function: %v", err)
		}
	})
}

func TestReadiness_GoesByWhatWasChosenAndByTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, local, progress := &script{}, &script{}, &script{}
		first := make(chan struct{})
		s := serve(t, health.Options{},
			check("shared", shared.run, health.Config{Criticality: health.Hard}),
			check("local", func(ctx context.Context) error {
				<-first
				return local.run(ctx)
			}, health.Config{Readiness: true}),
			check("progress", progress.run, health.Config{Liveness: true}))
		if r := s.Report(); r.Ready || r.Started || !r.Live {
			t.Errorf("before the first result: ready %v, started %v, live %v", r.Ready, r.Started, r.Live)
		}
		close(first)
		pass(time.Second)
		if r := s.Report(); !r.Ready || !r.Started || !r.Live {
			t.Errorf("after it: ready %v, started %v, live %v", r.Ready, r.Started, r.Live)
		}
		shared.set(errDown)
		pass(40 * time.Second)
		if r := s.Report(); r.Status != health.Fail || !r.Ready || !r.Live {
			t.Errorf("a shared dependency fails: %v, ready %v, live %v", r.Status, r.Ready, r.Live)
		}
		local.set(errDown)
		pass(40 * time.Second)
		if r := s.Report(); r.Ready || !r.Live || !slices.Equal(r.NotReady, []string{"local fails"}) {
			t.Errorf("what decides over readiness fails: ready %v (%v), live %v", r.Ready, r.NotReady, r.Live)
		}
		local.set(nil)
		progress.set(errDown)
		pass(40 * time.Second)
		if r := s.Report(); !r.Ready || r.Live {
			t.Errorf("what decides over liveness fails: ready %v, live %v", r.Ready, r.Live)
		}
		progress.set(nil)
		pass(40 * time.Second)
		s.Drain()
		if r := s.Report(); r.Ready || !r.Live {
			t.Errorf("as soon as it drains: ready %v, live %v", r.Ready, r.Live)
		}
	})
}

func TestStale_AnOldResultIsUnknownAndFailsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		it := &script{}
		a := health.New(health.Options{})
		if err := a.Add(check("it", it.run, health.Config{Readiness: true})); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = a.Serve(ctx) }()
		pass(time.Second)
		cancel()
		<-ended
		pass(time.Minute)
		r := a.Report()
		c, _ := r.Find("it")
		if c.Status != health.Unknown || !c.Check.Stale || r.Status != health.Unknown || !r.Ready {
			t.Errorf("got %v, stale %v, whole %v, ready %v", c.Status, c.Check.Stale, r.Status, r.Ready)
		}
	})
}

func TestParts_AreAskedWithoutAServiceToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := true
		a := health.New(health.Options{Parts: func(yield func(health.Component)) {
			status := health.Pass
			if open {
				status = health.Warn
			}
			yield(health.Component{Name: "breakers/payments", Status: status, Groups: []string{"breakers"}, Output: "open\x1b[2J"})
		}})
		r := a.Report()
		if c, _ := r.Find("breakers/payments"); r.Status != health.Warn || c.Output != "open.[2J" || !r.Ready {
			t.Errorf("got %v, %q, ready %v", r.Status, c.Output, r.Ready)
		}
		open = false
		pass(2 * time.Second)
		if r := a.Report(); r.Status != health.Pass || r.Score != 100 {
			t.Errorf("two seconds later: %v, score %d", r.Status, r.Score)
		}
	})
}

func TestParts_APanicIsShown(t *testing.T) {
	a := health.New(health.Options{Parts: func(func(health.Component)) { panic("a part") }})
	if r := a.Report(); r.Status != health.Warn || !strings.Contains(r.Components[0].Output, "a part") {
		t.Errorf("got %v, %v", r.Status, r.Components)
	}
}

func TestGroup_HasItsOwnStatusAndShowsTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := &script{}
		down.set(errDown)
		s := serve(t, health.Options{},
			check("db", down.run, health.Config{}),
			check("orders", down.run, health.Config{DependsOn: []string{"db"}, Groups: []string{"shop"}}),
			check("blog", (&script{}).run, health.Config{Groups: []string{"site"}}),
			check("hard", down.run, health.Config{Criticality: health.Hard}))
		pass(time.Second)
		shop, ok := s.Report().Group("shop")
		if !ok || shop.Status != health.Warn || len(shop.Components) != 2 || shop.Components[0].Name != "db" {
			t.Errorf("got %v, %+v", ok, shop)
		}
		if site, _ := s.Report().Group("site"); site.Status != health.Pass || site.Score != 100 {
			t.Errorf("got %+v", site)
		}
		if _, ok := s.Report().Group("nothing"); ok {
			t.Error("there is a group nothing")
		}
	})
}

func TestServe_ASecondOneIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, health.Options{})
		synctest.Wait()
		if err := s.Serve(t.Context()); !errors.Is(err, fault.AlreadyExists) {
			t.Errorf("got %v", err)
		}
	})
}

// Whoever listens may block, or end its goroutine: checks go on, and later events come.
func TestEvents_AHandlerHurtsNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		release := make(chan struct{})
		exits := 0
		if _, err := telemetry.Subscribe(bus, "rude", func(context.Context, health.StatusChanged) { exits++; runtime.Goexit() }); err != nil {
			t.Fatal(err)
		}
		it := &script{}
		s := serve(t, health.Options{Bus: bus}, check("it", it.run, health.Config{Every: time.Second}))
		pass(10 * time.Second)
		if got := s.of("it"); exits == 0 || !slices.Equal(got, []health.Status{health.Pass}) {
			t.Errorf("after %d exits of another handler: %v", exits, got)
		}
		if _, err := telemetry.Subscribe(bus, "slow", func(context.Context, health.StatusChanged) { <-release }); err != nil {
			t.Fatal(err)
		}
		it.set(errDown)
		pass(10 * time.Second)
		before := it.runs.Load()
		pass(10 * time.Second)
		if more := it.runs.Load() - before; more < 8 {
			t.Errorf("while a handler blocks the check ran %d times in 10 s", more)
		}
		if c := s.component(t, "it"); c.Status != health.Fail {
			t.Errorf("while a handler blocks the report says %v", c.Status)
		}
		close(release)
	})
}

func TestCollect_EverySeriesIsThereFromTheStart(t *testing.T) {
	a := health.New(health.Options{})
	if err := a.Add(check("it", (&script{}).run, health.Config{})); err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	a.Collect(func(s telemetry.Sample) { n[s.Desc.Name]++ })
	for name, want := range map[string]int{
		"foundation_health_status": 1, "foundation_health_score": 1, "foundation_health_ready": 1, "foundation_health_live": 1,
		"foundation_health_check_status": 1, "foundation_health_check_runs_total": 7, "foundation_health_check_hanging": 1, "foundation_health_check_flapping": 1,
	} {
		if n[name] != want {
			t.Errorf("%s has %d series, want %d", name, n[name], want)
		}
	}
}
