package foundation_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/memory"
	"github.com/elixirscope/foundation/supervise"
)

// A monitor runs while its section is on: written, or by default where the program says so.
func TestMonitors_RunWhileTheirSectionIsOn(t *testing.T) {
	for name, tt := range map[string]struct {
		section  *config.Memory
		monitors bool
		runs     bool
	}{
		"a library without the section": {nil, false, false},
		"a library with it":             {&config.Memory{}, false, true},
		"a library with off":            {&config.Memory{Off: true}, false, false},
		"a program without the section": {nil, true, true},
		"a program with off":            {&config.Memory{Off: true}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := openMonitors(t, tt.section, tt.monitors)
				wantMemory(t, f, tt.runs)
			})
		})
	}
}

func openMonitors(t *testing.T, section *config.Memory, monitors bool) *foundation.Foundation {
	t.Helper()
	f, err := foundation.Open(t.Context(), foundation.Options{Config: &config.Config{Memory: section}, Monitors: monitors})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return f
}

func wantMemory(t *testing.T, f *foundation.Foundation, runs bool) {
	t.Helper()
	synctest.Wait()
	s := f.Status()
	m, err := f.Memory()
	if runs != (err == nil) || runs != (s.Memory != nil) || runs != slices.ContainsFunc(s.Services, isMemory) || runs != (m != nil) {
		t.Fatalf("want it to run: %v; %v, %v, services %+v", runs, err, s.Memory, s.Services)
	}
	if !runs && !errors.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

func isMemory(s supervise.Status) bool { return s.Name == "memory" }

// Off and on are live; a change of a setting keeps the monitor.
func TestMonitors_AreSwitchedLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openMonitors(t, &config.Memory{}, false)
		wantMemory(t, f, true)
		first, _ := f.Memory()
		set := func(section *config.Memory) {
			t.Helper()
			if _, err := f.Config().Edit(t.Context(), func(c *config.Config) error { c.Memory = section; return nil }, config.By{}); err != nil {
				t.Fatal(err)
			}
		}
		set(&config.Memory{Config: memory.Config{Interval: time.Second}})
		wantMemory(t, f, true)
		if m, _ := f.Memory(); m != first || m.Status().Config.Interval != time.Second {
			t.Errorf("the change made another of it, or did not reach it: %+v", m.Status())
		}
		set(&config.Memory{Off: true})
		wantMemory(t, f, false)
		set(&config.Memory{})
		wantMemory(t, f, true)
		if m, _ := f.Memory(); m == first {
			t.Error("after off and on it is the one that was stopped")
		}
		set(nil)
		wantMemory(t, f, false)
	})
}
