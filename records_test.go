package foundation_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/registry"
	"github.com/elixirscope/foundation/supervise"
)

func away(why string) error {
	return fault.New(fault.Spec{Code: fault.Unavailable, Component: "test", Message: why})
}

// disk is a storage that keeps its events over restarts, and can be away: to be opened, or
// once it is open.
type disk struct {
	events       eventstore.Store
	history      config.History
	locked, gone atomic.Bool
	opened       atomic.Int64
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	m, err := eventstore.NewMemory(eventstore.MemoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &disk{events: m, history: config.NewMemoryHistory()}
}

func (d *disk) open(_ context.Context, place string) (foundation.Storage, error) {
	if d.locked.Load() {
		return foundation.Storage{}, away("another process holds " + place)
	}
	d.opened.Add(1)
	return foundation.Storage{Events: handle{d.events, d}, History: kept{d.history, d}}, nil
}

// handle is a disk that was opened: closing it leaves the events.
type handle struct {
	eventstore.Store
	d *disk
}

func (h handle) Append(ctx context.Context, events ...eventstore.Event) ([]eventstore.Event, error) {
	if h.d.gone.Load() {
		return nil, away("the disk is gone")
	}
	return h.Store.Append(ctx, events...)
}

func (handle) Close() error { return nil }

// kept is the history of a disk that was opened.
type kept struct {
	config.History
	d *disk
}

func (k kept) Add(ctx context.Context, r config.Record) error {
	if k.d.gone.Load() {
		return away("the disk is gone")
	}
	return k.History.Add(ctx, r)
}

func (kept) Close() error { return nil }

func (d *disk) options(text string) foundation.Options {
	cfg, err := config.Parse("f.yaml", []byte("version: 1\n"+text), config.ParseOptions{})
	if err != nil {
		panic(err)
	}
	return foundation.Options{Config: cfg, Node: "n1", Stores: map[string]foundation.Store{"path": d.open}}
}

// recorded lists what a disk holds, as "type name".
func (d *disk) recorded(t *testing.T) []string {
	t.Helper()
	page, err := d.events.Find(context.Background(), eventstore.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range page.Events {
		all = append(all, strings.TrimSpace(e.Type+" "+e.Name))
	}
	return all
}

const path = "storage: {path: ./data}\n"

func TestWhatHappensIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(t)
		f, err := foundation.Open(t.Context(), d.options(path+"breakers: {b: {failure_threshold: 1}}\nguards: {g: {breaker: b}}\n"))
		if err != nil {
			t.Fatal(err)
		}
		g, _ := f.Guard("g")
		for range 8 {
			_ = g.Do(t.Context(), func(context.Context) error { return errors.New("down") })
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		s := f.Status()
		if s.Storage.Kind != "path" || s.Storage.Err != nil || s.Storage.Recorder.Dropped != 0 || int(s.Storage.Recorder.Stored) != s.Storage.Events.Events {
			t.Errorf("%+v", s.Storage)
		}
		feed, err := registry.Lookup[*eventstore.Feed](f.Registry(), "foundation", "events")
		if err != nil {
			t.Fatal(err)
		}
		page, err := feed.Find(t.Context(), eventstore.Query{Type: "guard.refused"})
		if err != nil || len(page.Events) != 1 || !strings.Contains(string(page.Events[0].Data), `"count":7`) || page.Events[0].Node != "n1" {
			t.Errorf("%+v, %v", page.Events, err)
		}
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
		got := d.recorded(t)
		for _, want := range []string{"config_server.applied", "circuit_breaker.state_change b", "guard.refused g", "supervisor.service_started recorder"} {
			if !slices.Contains(got, want) {
				t.Errorf("%q is not recorded: %q", want, got)
			}
		}
	})
}

// A rolling restart: the second process serves at once, without the storage, and takes it
// when the first has gone. Nothing that happened meanwhile is lost.
func TestTwoLayersThatOverlapOnOneStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(t)
		d.locked.Store(true) // by the first
		began := time.Now()
		f, err := foundation.Open(t.Context(), d.options(path+"breakers: {b: {}}\n"))
		if err != nil || time.Since(began) != 10*time.Second {
			t.Fatalf("%v after %v", err, time.Since(began))
		}
		s := f.Status().Storage
		if !errors.Is(s.Err, fault.Unavailable) || !strings.Contains(s.Err.Error(), "another process holds ./data") || !s.Since.Equal(began) {
			t.Errorf("%+v", s)
		}
		b, _ := f.Breaker("b")
		if err := b.Force(breaker.StateOpen, breaker.Override{Actor: "a", Reason: "r"}); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		d.locked.Store(false)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if s := f.Status().Storage; s.Err != nil || s.Recorder.Waiting != 0 || s.Recorder.Dropped != 0 {
			t.Errorf("%+v", s)
		}
		if got := d.recorded(t); !slices.Contains(got, "circuit_breaker.state_change b") {
			t.Errorf("recorded %q", got)
		}
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// While the store is away nothing waits and nothing fails; the layer's own guard says so.
func TestAStoreThatGoesAwayHoldsUpNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(t)
		f, err := foundation.Open(t.Context(), d.options(path+"breakers: {b: {}}\n"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		d.gone.Store(true)
		b, _ := f.Breaker("b")
		began := time.Now()
		for range 100 {
			_ = b.Force(breaker.StateOpen, breaker.Override{Actor: "a", Reason: "r"})
			b.Automatic("a")
		}
		if !time.Now().Equal(began) {
			t.Error("a change has waited for the store")
		}
		time.Sleep(10 * time.Second)
		own, err := f.Breaker("foundation.events")
		if err != nil || own.Status().State == breaker.StateClosed {
			t.Errorf("%v: %+v", err, own.Status())
		}
		s := f.Status()
		if s.Storage.Err == nil || s.Storage.Recorder.Waiting < 200 {
			t.Errorf("%+v", s.Storage)
		}
		if !slices.ContainsFunc(s.Guards, func(g guard.Status) bool { return g.Name == "foundation.events" && g.Results[guard.Failed] > 0 }) {
			t.Errorf("the guard of the events is not in the status: %+v", s.Guards)
		}
		d.gone.Store(false)
		time.Sleep(10 * time.Second)
		if s := f.Status().Storage; s.Err != nil || s.Recorder.Waiting != 0 || s.Recorder.Dropped != 0 {
			t.Errorf("%+v", s)
		}
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAStorageThatCannotServeRefusesTheStart(t *testing.T) {
	corrupt := func(context.Context, string) (foundation.Storage, error) {
		return foundation.Storage{}, fault.New(fault.Spec{Code: fault.DataCorrupt, Component: "test", Message: "page 7"})
	}
	d := newDisk(t)
	for name, o := range map[string]foundation.Options{
		"corrupt": {Stores: map[string]foundation.Store{"path": corrupt}},
		"unknown": {},
	} {
		o.Config = d.options(path).Config
		_, err := foundation.Open(t.Context(), o)
		want := map[string]fault.Code{"corrupt": fault.DataCorrupt, "unknown": fault.InvalidConfig}[name]
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A configuration that fails after the storage was opened leaves it closed.
func TestAFailedStartClosesTheStorage(t *testing.T) {
	closed := 0
	d := newDisk(t)
	o := d.options(path)
	o.Stores["path"] = func(ctx context.Context, place string) (foundation.Storage, error) {
		s, err := d.open(ctx, place)
		s.Close = func() error { closed++; return nil }
		return s, err
	}
	o.Sections = []config.Section{{
		Name: "bad",
		Prepare: func(context.Context, *config.Config, *config.Config, func(string) (*guard.Guard, error)) (config.Transition, error) {
			return config.Transition{}, errors.New("the port is taken")
		},
	}}
	if _, err := foundation.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "the port is taken") {
		t.Error(err)
	}
	if closed != 1 {
		t.Errorf("closed %d times", closed)
	}
}

// A library that was asked for nothing starts nothing and records nothing.
func TestSilence(t *testing.T) {
	f := open(t, foundation.Options{Config: &config.Config{}})
	if s := f.Status(); s.Storage.Kind != "" || len(s.Services) != 0 {
		t.Errorf("%+v, %+v", s.Storage, s.Services)
	}
}

func TestMemoryIsEnough(t *testing.T) {
	f := open(t, foundation.Options{Config: &config.Config{Storage: &config.Storage{}}})
	s := f.Status()
	if s.Storage.Kind != "memory" || s.Storage.Events.Durable {
		t.Errorf("%+v", s.Storage)
	}
	var names []string
	for _, service := range s.Services {
		names = append(names, service.Name)
	}
	if !slices.Equal(names, []string{"recorder", "storage", "retention", "history"}) {
		t.Errorf("%v", names)
	}
	if _, err := registry.Lookup[supervise.Service](f.Registry(), "services", "recorder"); err != nil {
		t.Error(err)
	}
}

func TestOldEventsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(t)
		f, err := foundation.Open(t.Context(), d.options(path+"events: {retention: 1h}\n"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		got := d.recorded(t)
		if slices.Contains(got, "config_server.applied") || !slices.Contains(got, "event_store.pruned") {
			t.Errorf("recorded %q", got)
		}
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestNamesOfTheLayerAreReserved(t *testing.T) {
	_, err := config.Parse("f.yaml", []byte("version: 1\nguards: {foundation.events: {}}\n"), config.ParseOptions{})
	if err == nil || !strings.Contains(err.Error(), "the layer's own") {
		t.Error(err)
	}
}

// What was changed through the API is there after a restart, as long as the file says the
// same; the record says who did it. While the storage is away such a change is refused,
// and one of the file is not.
func TestChangesThroughTheAPIOutliveTheProcess(t *testing.T) {
	d := newDisk(t)
	file := filepath.Join(t.TempDir(), "foundation.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte("version: 1\n"+path+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start := func() *foundation.Foundation {
		f, err := foundation.Open(t.Context(), foundation.Options{ConfigFile: file, Stores: map[string]foundation.Store{"path": d.open}})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	add := func(f *foundation.Foundation, name string) error {
		_, err := f.Config().Edit(t.Context(), func(c *config.Config) error {
			c.Guards[name] = config.Guard{}
			return nil
		}, config.By{Actor: "alice", Reason: "more", API: true})
		return err
	}
	write("guards: {a: {}}\n")
	f := start()
	if err := add(f, "b"); err != nil {
		t.Fatal(err)
	}
	d.gone.Store(true)
	if err := add(f, "c"); !errors.Is(err, fault.Unavailable) {
		t.Errorf("a change that cannot be recorded: %v", err)
	}
	d.gone.Store(false)
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}

	write("# a comment is no change\nguards: {a: {}}\n")
	f = start()
	if _, err := f.Guard("b"); err != nil {
		t.Errorf("the change is gone: %v", err)
	}
	records, err := f.Config().History(t.Context(), 0, 0)
	if err != nil || len(records) < 2 || !slices.ContainsFunc(records, func(r config.Record) bool { return r.Actor == "alice" && r.Outcome == config.OutcomeApplied }) {
		t.Errorf("%+v, %v", records, err)
	}
	if _, err := f.Guard("foundation.history"); err != nil {
		t.Error(err)
	}
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}

	write("guards: {a: {timeout: 1s}}\n")
	f = start()
	if _, err := f.Guard("b"); !errors.Is(err, fault.NotFound) {
		t.Errorf("a change that was made on another file is in force: %v", err)
	}
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// What a store was asked wrongly says nothing about the store: its breaker stays closed.
func TestAnEventThatIsRefusedDoesNotCountAgainstTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, err := foundation.Open(t.Context(), newDisk(t).options(path))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close(context.Background())
		feed, err := registry.Lookup[*eventstore.Feed](f.Registry(), "foundation", "events")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			if _, err := feed.Append(t.Context(), eventstore.Event{Type: "with a blank"}); !errors.Is(err, fault.InvalidArgument) {
				t.Fatalf("after %d: %v", i, err)
			}
		}
		if _, err := feed.Append(t.Context(), eventstore.Event{Type: "deploy"}); err != nil {
			t.Error(err)
		}
	})
}
