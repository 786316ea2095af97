package sdnotify

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// manager is a service manager that can be away.
type manager struct {
	mu   sync.Mutex // guards what follows
	away bool
	told []string
}

func (m *manager) take(state string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return errors.New("connection refused")
	}
	m.told = append(m.told, state)
	return nil
}

func (m *manager) set(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
}

// heard returns what was told since the last call, the first line of each message.
func (m *manager) heard() (lines []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, state := range m.told {
		line, _, _ := strings.Cut(state, "\n")
		lines = append(lines, line)
	}
	m.told = nil
	return lines
}

// said is what a process says of itself, which changes while it is asked.
type said struct{ notLive, status atomic.Value }

func health(notLive, status string) *said {
	s := &said{}
	s.notLive.Store(notLive)
	s.status.Store(status)
	return s
}

func (s *said) Health() Health {
	text := func(v *atomic.Value) func() string { return func() string { return v.Load().(string) } }
	return Health{NotLive: text(&s.notLive), Status: text(&s.status), Log: slog.New(slog.DiscardHandler)}
}

// serving runs n until the test ends.
func serving(t *testing.T, n *Notifier, h Health) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Serve(ctx, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestServe_PingsWhileTheProcessIsLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h := &manager{}, health("", "well")
		n := newNotifier(m.take, 30*time.Second)
		serving(t, n, h.Health())
		n.Ready("up")
		time.Sleep(31 * time.Second)
		want := []string{"READY=1", "WATCHDOG=1", "STATUS=well", "WATCHDOG=1", "WATCHDOG=1"}
		if got := m.heard(); !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		h.notLive.Store("orders_db fails")
		time.Sleep(2 * time.Minute)
		if got := m.heard(); got != nil {
			t.Errorf("a process that is not live says %v", got)
		}
		h.notLive.Store("")
		time.Sleep(11 * time.Second)
		if got := m.heard(); !slices.Equal(got, []string{"WATCHDOG=1"}) {
			t.Errorf("a process that is live again says %v", got)
		}
	})
}

// A lock that is held for ever is what the watchdog is there for.
func TestServe_AQuestionThatDoesNotReturnEndsThePings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, released := &manager{}, make(chan struct{})
		h := Health{NotLive: func() string { <-released; return "" }, Status: func() string { return "well" }, Log: slog.New(slog.DiscardHandler)}
		n := newNotifier(m.take, 30*time.Second)
		serving(t, n, h)
		time.Sleep(time.Hour)
		if got := m.heard(); got != nil {
			t.Errorf("%v", got)
		}
		close(released)
	})
}

func TestServe_WithoutAWatchdogTheStatusIsToldWhenItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h := &manager{}, health("", "well")
		n := newNotifier(m.take, 0)
		serving(t, n, h.Health())
		time.Sleep(time.Minute)
		h.status.Store("two\nlines")
		time.Sleep(time.Minute)
		if got := m.heard(); !slices.Equal(got, []string{"STATUS=well", "STATUS=two lines"}) {
			t.Errorf("%v", got)
		}
	})
}

func TestServe_WhatCouldNotBeSentIsSentByTheNextCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &manager{away: true}
		n := newNotifier(m.take, 0)
		n.Ready("up")
		n.Reloading()
		if err := n.Serve(t.Context(), health("", "well").Health()); err == nil {
			t.Fatal("a manager that is away is no error")
		}
		m.set(false)
		n.Ready("up again")
		serving(t, n, health("", "well").Health())
		synctest.Wait()
		if got := m.heard(); !slices.Equal(got, []string{"READY=1", "RELOADING=1", "READY=1"}) {
			t.Errorf("%v", got)
		}
	})
}

// A reload that the stop overtakes must not say that the process serves.
func TestStopping_IsTheLastWord(t *testing.T) {
	m := &manager{}
	n := newNotifier(m.take, 0)
	n.Reloading()
	n.Stopping("draining")
	n.Ready("up")
	if err := n.flush(); err != nil {
		t.Fatal(err)
	}
	if got := m.heard(); !slices.Equal(got, []string{"RELOADING=1", "STOPPING=1"}) {
		t.Errorf("%v", got)
	}
}

func TestNotifier_WhatWaitsIsBounded(t *testing.T) {
	m := &manager{}
	n := newNotifier(m.take, 0)
	for range 10 * maxQueued {
		n.Reloading()
	}
	n.Ready("up")
	if err := n.flush(); err != nil {
		t.Fatal(err)
	}
	if got := m.heard(); len(got) != maxQueued || got[maxQueued-1] != "READY=1" {
		t.Errorf("%d, the last %q", len(got), got[len(got)-1])
	}
}

func TestNew(t *testing.T) {
	env := func(pairs ...string) func(string) (string, bool) {
		return func(name string) (string, bool) {
			i := slices.Index(pairs, name)
			return append(pairs, "", "")[i+1], i >= 0
		}
	}
	if n, err := New(env()); n != nil || err != nil {
		t.Errorf("without a socket: %v %v", n, err)
	}
	t.Setenv("WATCHDOG_USEC", "30000000")
	if n, err := New(env("NOTIFY_SOCKET", "/run/x")); err != nil || n.watchdog != 30*time.Second {
		t.Errorf("with a watchdog: %v %v", n, err)
	}
	t.Setenv("WATCHDOG_PID", "1")
	if n, err := New(env("NOTIFY_SOCKET", "/run/x")); err != nil || n.watchdog != 0 {
		t.Errorf("with the watchdog of another process: %v %v", n, err)
	}
	t.Setenv("WATCHDOG_USEC", "soon")
	if n, err := New(env("NOTIFY_SOCKET", "/run/x")); n == nil || err == nil {
		t.Errorf("with a watchdog that cannot be understood: %v %v", n, err)
	}
}

func TestNotifier_NilDoesNothing(t *testing.T) {
	var n *Notifier
	n.Ready("up")
	n.Reloading()
	n.Stopping("draining")
}
