package foundation_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/memory"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

func memoryLayer(t *testing.T, o foundation.Options) *foundation.Foundation {
	t.Helper()
	o.Config = &config.Config{
		Memory:     &config.Memory{Config: memory.Config{Interval: 20 * time.Millisecond, GCInterval: -1}},
		RateLimits: map[string]config.RateLimit{"r": {Config: ratelimit.Config{Limit: 5, Per: time.Minute}}},
		Guards: map[string]config.Guard{
			"checkout": {Config: guard.Config{Priority: guard.Critical}}, "browse": {},
			"recommend": {Config: guard.Config{Priority: guard.BestEffort}}, "export": {RateLimit: "r", Config: guard.Config{Priority: guard.Bulk}},
		},
	}
	f, err := foundation.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close(context.Background()) })
	return f
}

// simulate makes the layer act at a level, and waits until it does.
func simulate(t *testing.T, f *foundation.Foundation, l memory.Level) *memory.Manager {
	t.Helper()
	m, err := f.Memory()
	for err == nil {
		runtime.Gosched()
		if err = m.Simulate(l, time.Minute, "test", "a test"); !errors.Is(err, fault.Unavailable) { // it runs in a moment
			break
		}
		m, err = f.Memory()
	}
	if err != nil {
		t.Fatal(err)
	}
	for m.Level() < l { // the manager reads the real machine, in a goroutine of its own
		runtime.Gosched()
	}
	return m
}

func outcomes(t *testing.T, f *foundation.Foundation, call guard.Call) map[string]bool {
	t.Helper()
	ran := map[string]bool{}
	for _, name := range []string{"checkout", "browse", "recommend", "export"} {
		g, err := f.Guard(name)
		if err != nil {
			t.Fatal(err)
		}
		err = g.DoCall(t.Context(), call, func(context.Context) error { return nil })
		if err != nil && !errors.Is(err, fault.MemoryPressure) {
			t.Errorf("%s: %v", name, err)
		}
		ran[name] = err == nil
	}
	return ran
}

// Scenario 84: guards refuse by priority; what releases memory runs at any level; a refusal
// takes no token; the event tells of it.
func TestScenario84_GuardsRefuseByPriorityWhileMemoryIsShort(t *testing.T) {
	bus := telemetry.NewBus()
	var mu sync.Mutex
	var told []memory.PressureChanged
	if _, err := telemetry.Subscribe(bus, "test", func(_ context.Context, e memory.PressureChanged) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, e)
	}); err != nil {
		t.Fatal(err)
	}
	f := memoryLayer(t, foundation.Options{Bus: bus})
	simulate(t, f, memory.Critical)
	if got := outcomes(t, f, guard.Call{}); fmt.Sprint(got) != "map[browse:false checkout:true export:false recommend:false]" {
		t.Errorf("at critical: %v", got)
	}
	l, err := f.RateLimit("r")
	if err != nil || l.Peek(ratelimit.Key{}).Remaining != 5 {
		t.Errorf("a refused call took a token: %+v, %v", l.Peek(ratelimit.Key{}), err)
	}
	if got := outcomes(t, f, guard.Call{ReleasesMemory: true}); slices.Contains([]bool{got["browse"], got["checkout"], got["export"], got["recommend"]}, false) {
		t.Errorf("what releases memory is refused: %v", got)
	}
	g, err := f.Guard("export")
	if err != nil {
		t.Fatal(err)
	}
	if s := g.Status(); s.Refused[fault.MemoryPressure] != 1 {
		t.Errorf("the guard counts %v", s.Refused)
	}
	if s := f.Status().Memory; s == nil || s.Level != memory.Critical || s.Shed[guard.Bulk] != 1 || s.Shed[guard.Critical] != 0 {
		t.Errorf("%+v", s)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(told) == 0 || told[len(told)-1].To != memory.Critical || !told[len(told)-1].Simulated {
		t.Errorf("told %+v", told)
	}
}

// Work that was admitted before goes on and settles: only new work is refused.
func TestMemory_WhatWasAdmittedEnds(t *testing.T) {
	f := memoryLayer(t, foundation.Options{})
	g, err := f.Guard("export")
	if err != nil {
		t.Fatal(err)
	}
	tok, err := g.Enter(t.Context(), guard.Call{})
	if err != nil {
		t.Fatal(err)
	}
	simulate(t, f, memory.Critical)
	tok.Done(nil)
	if s := g.Status(); s.InFlight != 0 {
		t.Errorf("%+v", s)
	}
}

// Off ends the refusals at once, for every guard.
func TestMemory_OffEndsRefusals(t *testing.T) {
	f := memoryLayer(t, foundation.Options{})
	simulate(t, f, memory.Critical)
	if _, err := f.Config().Edit(t.Context(), func(c *config.Config) error { c.Memory = &config.Memory{Off: true}; return nil }, config.By{}); err != nil {
		t.Fatal(err)
	}
	if got := outcomes(t, f, guard.Call{}); slices.Contains([]bool{got["browse"], got["checkout"], got["export"], got["recommend"]}, false) {
		t.Errorf("off refuses: %v", got)
	}
}

// Parts and program offer what they can give up, and what they offer is called.
func TestMemory_CleanersOfPartsAndProgram(t *testing.T) {
	called := make(chan struct{}, 100)
	own := memory.Cleaner{Name: "cache", Clean: func(context.Context, int64) (int64, error) {
		select {
		case called <- struct{}{}:
		default:
		}
		return 1, nil
	}}
	f := memoryLayer(t, foundation.Options{Cleaners: []memory.Cleaner{own}})
	m := simulate(t, f, memory.High)
	<-called
	var names []string
	for _, c := range m.Status().Cleaners {
		names = append(names, c.Name)
		if (c.Name == "events" || c.Name == "performance") && c.Runs > 0 {
			t.Errorf("a simulation has cost what was recorded by %s", c.Name)
		}
	}
	if want := []string{"events", "rate_limits", "pools", "performance", "cache", "go_heap"}; !slices.Equal(names, want) {
		t.Errorf("cleaners %v, want %v", names, want)
	}
}
