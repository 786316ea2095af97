package memory

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/priority"
	"github.com/elixirscope/foundation/telemetry"
)

// machineOf is a machine whose memory a test uses up.
type machineOf struct {
	mu   sync.Mutex
	used int // percent
	gone bool
	hang chan struct{}
	gcs  []bool // the collections that were forced, with release or without
}

func (m *machineOf) set(percent int) { m.mu.Lock(); defer m.mu.Unlock(); m.used = percent }

func (m *machineOf) Open(name string) (fs fsFile, err error) {
	m.mu.Lock()
	used, gone, hang := m.used, m.gone, m.hang
	m.mu.Unlock()
	if hang != nil {
		<-hang
	}
	texts := fstest.MapFS{"proc/pressure/memory": {Data: []byte(calm)}}
	if !gone {
		texts["proc/meminfo"] = &fstest.MapFile{Data: []byte("MemTotal: 100 kB\nMemAvailable: " + digits(100-used) + " kB\n")}
	}
	return texts.Open(name)
}

// watched runs a manager of a machine until the test ends, with what it has told.
func watched(t *testing.T, m *machineOf, cfg Config, cleaners ...Cleaner) (*Manager, func() []telemetry.Event) {
	t.Helper()
	bus := telemetry.NewBus()
	var mu sync.Mutex
	var told []telemetry.Event
	note := func(e telemetry.Event) { mu.Lock(); defer mu.Unlock(); told = append(told, e) }
	for _, err := range []error{
		subscribed(telemetry.Subscribe(bus, "p", func(_ context.Context, e PressureChanged) { note(e) })),
		subscribed(telemetry.Subscribe(bus, "c", func(_ context.Context, e CleanupExecuted) { note(e) })),
		subscribed(telemetry.Subscribe(bus, "s", func(_ context.Context, e RequestShed) { note(e) })),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	stats := func(o *options) {
		o.runtime = func() goStats { return goStats{} }
		o.collect = func(release bool) { m.mu.Lock(); defer m.mu.Unlock(); m.gcs = append(m.gcs, release) }
	}
	mgr, err := New(cfg, WithBus(bus), WithRoot(m), WithCleaners(cleaners...), stats)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- mgr.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if m.hang != nil {
			close(m.hang)
		}
		<-done
	})
	return mgr, func() []telemetry.Event { mu.Lock(); defer mu.Unlock(); return append([]telemetry.Event(nil), told...) }
}

func subscribed(_ *telemetry.Subscription, err error) error { return err }

// refused counts how many of 1,000 keys are refused, by priority.
func refused(m *Manager) (n [priority.Bulk + 1]int) {
	for p := priority.Critical; p <= priority.Bulk; p++ {
		for key := range uint64(1000) {
			if m.Admit(p, key+1) != nil {
				n[p]++
			}
		}
	}
	return n
}

// Scenario 84: as memory runs out more is refused, by priority, and as it comes back less.
func TestScenario84_MemoryIsShedByPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &machineOf{used: 50}
		m, told := watched(t, machine, Config{})
		time.Sleep(time.Second)
		for _, step := range []struct {
			used  int
			level Level
			want  [priority.Bulk + 1]int // at least
			most  [priority.Bulk + 1]int
		}{
			{50, Normal, [5]int{}, [5]int{}},
			{80, Elevated, [5]int{0, 0, 0, 0, 450}, [5]int{0, 0, 0, 0, 650}},
			{90, High, [5]int{0, 0, 0, 450, 1000}, [5]int{0, 0, 0, 650, 1000}},
			{96, Critical, [5]int{0, 0, 1000, 1000, 1000}, [5]int{0, 0, 1000, 1000, 1000}},
			{90, Critical, [5]int{0, 0, 1000, 1000, 1000}, [5]int{0, 0, 1000, 1000, 1000}}, // above the exit
			{80, High, [5]int{0, 0, 0, 50, 1000}, [5]int{0, 0, 0, 150, 1000}},
			{60, Normal, [5]int{}, [5]int{}},
		} {
			machine.set(step.used)
			time.Sleep(10 * time.Second)
			got := refused(m)
			for p := range got {
				if m.Level() != step.level || got[p] < step.want[p] || got[p] > step.most[p] {
					t.Fatalf("at %d %% it is %v and refuses %v", step.used, m.Level(), got)
				}
			}
			if (m.Refusing().Load() != 0) != (step.level > Normal) {
				t.Errorf("at %v the word is %d", step.level, m.Refusing().Load())
			}
		}
		var levels []string
		for _, e := range told() {
			if e, ok := e.(PressureChanged); ok {
				levels = append(levels, e.To.String())
			}
		}
		if got := strings.Join(levels, " "); got != "elevated high critical high elevated normal" {
			t.Errorf("events to %s", got)
		}
	})
}

// A refusal says what decided and when to come back; the same keys are refused each time,
// and calls without a key in turn.
func TestAdmit_RefusesStablyAndSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &machineOf{used: 80}
		m, _ := watched(t, machine, Config{})
		time.Sleep(time.Second)
		f := m.Admit(priority.Bulk, 1)
		for key := uint64(2); f == nil; key++ {
			f = m.Admit(priority.Bulk, key)
		}
		if !errors.Is(f, fault.MemoryPressure) || f.RetryAfter() < 2500*time.Millisecond || f.RetryAfter() > 5*time.Second {
			t.Errorf("%v, to be retried after %v", f, f.RetryAfter())
		}
		for _, want := range []string{"memory pressure is elevated", "80 % of the limit is used", "priority bulk", "% of the calls"} {
			if !strings.Contains(f.Error(), want) {
				t.Errorf("%q is not in %s", want, f)
			}
		}
		if len(f.Evidence()) != 2 || f.Evidence()[1].Limit != 100<<10 {
			t.Errorf("evidence %v", f.Evidence())
		}
		for key := uint64(1); key < 100; key++ {
			first := m.Admit(priority.Bulk, key) == nil
			for range 5 {
				if again := m.Admit(priority.Bulk, key) == nil; again != first {
					t.Fatalf("key %d is admitted %v, then %v", key, first, again)
				}
			}
		}
		without := 0
		for range 1000 {
			if m.Admit(priority.Bulk, 0) != nil {
				without++
			}
		}
		if without < 540 || without > 560 { // 0.1 + 0.9 · half
			t.Errorf("%d of 1000 calls without a key are refused", without)
		}
		if m.Admit(0, 1) != nil || m.Admit(77, 1) != nil {
			t.Error("an unset or unknown priority is not normal")
		}
	})
}

// A sampler that hangs must not stop the service: refusals end, and it is said.
func TestAdmit_FailsOpenWhenTheSamplerIsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &machineOf{used: 99}
		m, told := watched(t, machine, Config{})
		time.Sleep(time.Second)
		if m.Admit(priority.Normal, 1) == nil {
			t.Fatal("nothing is refused at critical")
		}
		machine.mu.Lock()
		machine.hang = make(chan struct{})
		machine.mu.Unlock()
		time.Sleep(9 * time.Second)
		if m.Admit(priority.Normal, 1) == nil {
			t.Error("failed open too early")
		}
		time.Sleep(2 * time.Second)
		if m.Admit(priority.Bulk, 1) != nil || !m.Status().Stale || m.Status().Refused[priority.Bulk] != 0 {
			t.Errorf("still refuses: %+v", m.Status())
		}
		_ = m.Admit(priority.Bulk, 1)
		events := told()
		last, ok := events[len(events)-1].(PressureChanged)
		if !ok || last.From != Critical || last.To != Unknown || !strings.Contains(last.Cause, "too old") {
			t.Errorf("told %+v", events)
		}
	})
}

// Nothing is known: nothing is refused, and the level says so. What becomes unreadable while
// memory is short keeps its level for a while.
func TestManager_UnknownIsNotNormal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &machineOf{gone: true}
		m, _ := watched(t, machine, Config{})
		time.Sleep(time.Second)
		if s := m.Status(); s.Level != Unknown || len(s.Last.Unread) != 1 || m.Admit(priority.Bulk, 1) != nil {
			t.Errorf("%+v", s)
		}
		machine.mu.Lock()
		machine.used, machine.gone = 99, false
		machine.mu.Unlock()
		time.Sleep(time.Second)
		machine.mu.Lock()
		machine.gone = true
		machine.mu.Unlock()
		time.Sleep(9 * time.Second)
		if m.Level() != Critical {
			t.Errorf("after 9 s without a reading it is %v", m.Level())
		}
		time.Sleep(2 * time.Second)
		if m.Level() != Unknown || m.Refusing().Load() != 0 {
			t.Errorf("after 11 s without a reading it is %v", m.Level())
		}
	})
}

// Settings are live, and a change of them keeps the level; a stop refuses nothing any more.
func TestManager_IsReconfiguredLiveAndStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &machineOf{used: 80}
		m, told := watched(t, machine, Config{})
		time.Sleep(time.Second)
		if err := m.Reconfigure(Config{Levels: Levels{Elevated: 0.6, High: 0.7, Critical: 0.9}, Exits: Exits{Elevated: 0.5, High: 0.65, Critical: 0.8}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if m.Level() != High {
			t.Errorf("it is %v", m.Level())
		}
		if err := m.Reconfigure(Config{Dwell: -1}); !errors.Is(err, fault.InvalidConfig) {
			t.Errorf("%v", err)
		}
		if s := m.Status(); s.Config.Dwell != defaultDwell || s.Config.Levels.High != 0.7 {
			t.Errorf("%+v", s.Config)
		}
		if err := m.Serve(t.Context()); !errors.Is(err, fault.AlreadyExists) {
			t.Errorf("a second Serve: %v", err)
		}
		_ = told
	})
	machine := &machineOf{used: 99}
	m, err := New(Config{}, WithRoot(machine))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Serve(ctx) }()
	for m.Refusing().Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || m.Admit(priority.Bulk, 1) != nil || m.Level() != Unknown {
		t.Errorf("%v, %v", err, m.Level())
	}
}

func TestSimulate_ActsLikePressureAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &machineOf{used: 10}
		m, told := watched(t, machine, Config{})
		time.Sleep(time.Second)
		for _, bad := range []error{
			m.Simulate(Unknown, time.Minute, "a", "r"), m.Simulate(9, time.Minute, "a", "r"), m.Simulate(High, 0, "a", "r"),
			m.Simulate(High, 2*time.Hour, "a", "r"), m.Simulate(High, time.Minute, "a", strings.Repeat("x", 2000)),
		} {
			if !errors.Is(bad, fault.InvalidArgument) {
				t.Errorf("taken: %v", bad)
			}
		}
		if err := m.Simulate(High, time.Minute, "alice", "a drill"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		got := refused(m)
		if m.Level() != High || got[priority.Bulk] != 1000 || got[priority.BestEffort] < 450 || got[priority.BestEffort] > 650 || got[priority.Normal] != 0 {
			t.Errorf("%v refuses %v", m.Level(), got)
		}
		s := m.Status()
		if s.Measured != Normal || s.Simulation.Actor != "alice" || !strings.Contains(s.Cause, "a drill") {
			t.Errorf("%+v", s)
		}
		if f := m.Admit(priority.Bulk, 1); f.RetryAfter() > 5*time.Second {
			t.Errorf("to be retried after %v", f.RetryAfter())
		}
		machine.set(97) // real pressure that is worse counts
		time.Sleep(time.Second)
		if m.Level() != Critical {
			t.Errorf("simulated high hides %v", m.Level())
		}
		machine.set(10)
		time.Sleep(40 * time.Second)
		if m.Level() != High {
			t.Errorf("it is %v", m.Level())
		}
		time.Sleep(30 * time.Second)
		if m.Level() != Normal || m.Status().Simulation != (Simulation{}) {
			t.Errorf("it has not ended: %+v", m.Status())
		}
		if err := m.Simulate(Critical, time.Minute, "alice", "again"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := m.Simulate(Normal, 0, "alice", "enough"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if m.Level() != Normal {
			t.Errorf("normal did not end it: %v", m.Level())
		}
		simulated := 0
		for _, e := range told() {
			if e, ok := e.(PressureChanged); ok && e.Simulated {
				simulated++
			}
		}
		if simulated < 2 {
			t.Errorf("%d events of what is simulated: %+v", simulated, told())
		}
	})
	m, err := New(Config{})
	if err == nil {
		err = m.Simulate(High, time.Minute, "a", "r")
	}
	if !errors.Is(err, fault.Unavailable) {
		t.Errorf("one that does not run simulates: %v", err)
	}
}

// What was refused becomes one event for a priority and ten seconds, and none is missing.
func TestShed_IsToldByTheDifference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &machineOf{used: 99}
		m, told := watched(t, machine, Config{})
		time.Sleep(time.Second)
		want := 0
		for i := range 45 {
			time.Sleep(time.Second)
			for range i {
				if m.Admit(priority.BestEffort, uint64(i+1)) != nil {
					want++
				}
			}
		}
		time.Sleep(11 * time.Second)
		rows, calls := 0, 0
		for _, e := range told() {
			if e, ok := e.(RequestShed); ok {
				rows, calls = rows+1, calls+int(e.Calls)
				if e.Priority != priority.BestEffort || e.Level != Critical || e.Over < 10*time.Second {
					t.Errorf("%+v", e)
				}
			}
		}
		if calls != want || want == 0 || rows > 6 || m.Status().Shed[priority.BestEffort] != uint64(want) {
			t.Errorf("%d rows tell of %d of %d calls", rows, calls, want)
		}
	})
}

func TestConfig_ImpossibleThresholdsAreRefusedAtOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  Config
		want []string
	}{
		"zero":                {Config{}, nil},
		"order":               {Config{Levels: Levels{High: 0.7}}, []string{"levels.high"}},
		"above 1":             {Config{Levels: Levels{Critical: 1.01}}, []string{"levels.critical"}},
		"exit at enter":       {Config{Exits: Exits{High: 0.85}}, []string{"exits.high"}},
		"exit above enter":    {Config{Exits: Exits{Elevated: 0.9}}, []string{"exits.elevated"}},
		"negative":            {Config{Levels: Levels{Elevated: -0.1}}, []string{"levels.elevated", "levels.elevated"}},
		"too low for a gap":   {Config{Levels: Levels{Elevated: 0.04}}, []string{"levels.elevated"}},
		"limit":               {Config{Limit: 5}, []string{"limit"}},
		"all at once":         {Config{Interval: 1, Dwell: time.Hour * 2, GCInterval: 1, Levels: Levels{Critical: 2}}, []string{"interval", "dwell", "gc_interval", "levels.critical"}},
		"no collection":       {Config{GCInterval: -1}, nil},
		"levels of one's own": {Config{Levels: Levels{0.5, 0.6, 0.7}}, nil},
	} {
		err := tt.cfg.Validate()
		var got []string
		if f, ok := errors.AsType[*fault.Error](err); ok {
			for _, p := range f.Problems() {
				got = append(got, p.Field)
			}
		}
		if strings.Join(got, " ") != strings.Join(tt.want, " ") {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}
