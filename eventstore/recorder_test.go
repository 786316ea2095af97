package eventstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// opened is an edge with all that an event may hold.
type opened struct {
	Name      string
	At        time.Time
	RetryAt   time.Time
	Cooldown  time.Duration
	Evidence  []fault.Fact
	Err       error
	Count     int
	HTTPCode  int
	unwritten int
}

func (opened) EventName() string                { return telemetry.Prefix + "circuit_breaker.opened" }
func (e opened) Edge() (string, fault.Severity) { return e.Name, fault.SeverityWarning }

// routine is an edge that is not worth keeping.
type routine struct{}

func (routine) EventName() string              { return telemetry.Prefix + "circuit_breaker.routine" }
func (routine) Edge() (string, fault.Severity) { return "a", "" }

type hostile struct{}

func (hostile) Error() string { panic("boom") }

// away is a store that can be taken away.
type away struct {
	eventstore.Store
	gone  atomic.Bool
	lossy atomic.Bool // stores, and says that it did not
}

func (a *away) Append(ctx context.Context, events ...eventstore.Event) ([]eventstore.Event, error) {
	if a.gone.Load() {
		if a.lossy.Load() {
			_, _ = a.Store.Append(ctx, events...)
		}
		return nil, fault.New(fault.Spec{Code: fault.Unavailable, Component: "test", Message: "away"})
	}
	return a.Store.Append(ctx, events...)
}

type rig struct {
	store    *away
	bus      *telemetry.Bus
	recorder *eventstore.Recorder
	topic    telemetry.Topic[opened]
}

func record(t *testing.T, o eventstore.RecorderOptions) *rig {
	t.Helper()
	memory, err := eventstore.NewMemory(eventstore.MemoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{store: &away{Store: memory}, bus: telemetry.NewBus()}
	if r.recorder, err = eventstore.NewRecorder(r.store, r.bus, o); err != nil {
		t.Fatal(err)
	}
	r.topic = telemetry.TopicOf[opened](r.bus)
	return r
}

// serve runs the recorder until the test ends.
func (r *rig) serve(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = r.recorder.Serve(ctx) })
	t.Cleanup(func() { cancel(); all.Wait() })
}

func (r *rig) stored(t *testing.T) []eventstore.Event {
	t.Helper()
	page, err := r.store.Find(context.Background(), eventstore.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return page.Events
}

func (r *rig) balanced(t *testing.T) eventstore.RecorderStatus {
	t.Helper()
	s := r.recorder.Status()
	if s.Stored+s.Waiting+s.Dropped != s.Emitted {
		t.Errorf("the account does not balance: %+v", s)
	}
	return s
}

func TestRecorder_WritesAnEdgeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, eventstore.RecorderOptions{Node: "n1"})
		r.serve(t)
		ctx := telemetry.WithCorrelation(telemetry.WithTrace(t.Context(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", ""), "req-7")
		r.topic.Emit(ctx, opened{
			Name: "payments", At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Cooldown: 1500 * time.Millisecond,
			Evidence: []fault.Fact{fault.Against("failures", 5, 5, "")}, Err: errors.New("refused"), Count: 3, HTTPCode: 503, unwritten: 1,
		})
		telemetry.TopicOf[routine](r.bus).Emit(ctx, routine{})
		synctest.Wait()
		all := r.stored(t)
		if len(all) != 1 {
			t.Fatalf("%d events", len(all))
		}
		e := all[0]
		want := eventstore.Event{
			ID: e.ID, Seq: 1, Type: "circuit_breaker.opened", Time: e.Time, Severity: fault.SeverityWarning,
			Component: "circuit_breaker", Name: "payments", Node: "n1", Correlation: "req-7", Data: e.Data,
		}
		if got, exp := fmt.Sprintf("%+v", e), fmt.Sprintf("%+v", want); got != exp || !e.Time.Equal(time.Now()) {
			t.Errorf("got\n%s, want\n%s", got, exp)
		}
		wantData := `{"at":"2026-01-02T03:04:05Z","cooldown_seconds":1.5,"count":3,"err":"refused",` +
			`"evidence":[{"bounded":true,"limit":5,"name":"failures","value":5}],"http_code":503,"name":"payments","trace_id":"0af7651916cd43dd8448eb211c80319c"}`
		if string(e.Data) != wantData {
			t.Errorf("data\n%s, want\n%s", e.Data, wantData)
		}
	})
}

// What a handler of the user's own panics with, or writes without end, costs no other event.
func TestRecorder_OutlivesHostileEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, eventstore.RecorderOptions{})
		r.serve(t)
		r.topic.Emit(t.Context(), opened{Name: "a", Err: hostile{}})
		r.topic.Emit(t.Context(), opened{Name: strings.Repeat("ä", 40_000), Err: errors.New(strings.Repeat("x", 1<<21))})
		r.topic.Emit(t.Context(), opened{Name: "b", Evidence: make([]fault.Fact, 50_000)})
		r.topic.Emit(t.Context(), opened{Name: "c"})
		synctest.Wait()
		all := r.stored(t)
		if len(all) != 4 || all[3].Name != "c" || !strings.Contains(string(all[0].Data), "boom") {
			t.Fatalf("%d events", len(all))
		}
		for _, e := range all {
			if len(e.Data) > 64<<10 || !json.Valid(e.Data) {
				t.Errorf("%d bytes of data", len(e.Data))
			}
		}
		r.balanced(t)
	})
}

// While the store is away events wait, then are dropped; no emitter waits; afterwards all
// that waited is there, once, in order, and an event says how many are missing.
func TestRecorder_AStoreThatIsAway(t *testing.T) {
	for _, lossy := range []bool{false, true} {
		t.Run(fmt.Sprintf("stores and fails %v", lossy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const queue, emitted = 100, 130
				r := record(t, eventstore.RecorderOptions{Queue: queue})
				r.serve(t)
				r.store.lossy.Store(lossy)
				r.store.gone.Store(true)
				began := time.Now()
				for i := range emitted {
					r.topic.Emit(t.Context(), opened{Name: fmt.Sprint(i)})
					synctest.Wait() // the first is in a batch that fails
				}
				if !time.Now().Equal(began) {
					t.Error("an emitter has waited")
				}
				time.Sleep(10 * time.Second)
				if s := r.balanced(t); s.Waiting != queue || s.Dropped != emitted-queue || !errors.Is(s.Err, fault.Unavailable) || !s.Since.Equal(began) {
					t.Errorf("%+v", s)
				}
				r.store.gone.Store(false)
				time.Sleep(2 * time.Second)
				synctest.Wait()
				all := r.stored(t)
				if len(all) != queue+1 {
					t.Fatalf("%d events", len(all))
				}
				for i, e := range all[:queue] {
					if e.Name != fmt.Sprint(i) {
						t.Fatalf("event %d is %s", i, e.Name)
					}
				}
				if last := all[queue]; last.Type != "event_store.dropped" || string(last.Data) != `{"events":30}` {
					t.Errorf("the last is %s %s", last.Type, last.Data)
				}
				if s := r.balanced(t); s.Waiting != 0 || s.Err != nil {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

func TestRecorder_CountersBecomeEventsByTheirGrowth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		totals := map[string]uint64{"circuit_open": 1000}
		r := record(t, eventstore.RecorderOptions{Counters: func(yield func(eventstore.Count)) {
			mu.Lock()
			defer mu.Unlock()
			for _, code := range []string{"circuit_open", "rate_limited"} {
				if n := totals[code]; n > 0 {
					yield(eventstore.Count{Type: "guard.refused", Name: "checkout", Code: code, Total: n})
				}
			}
		}})
		r.serve(t)
		synctest.Wait()
		mu.Lock()
		totals["circuit_open"] += 5
		totals["rate_limited"] = 2
		mu.Unlock()
		time.Sleep(25 * time.Second) // two rounds; in the second nothing has grown
		synctest.Wait()
		var got []string
		for _, e := range r.stored(t) {
			got = append(got, e.Type+" "+e.Component+" "+e.Name+" "+string(e.Data))
		}
		want := []string{
			`guard.refused guard checkout {"code":"circuit_open","count":5,"since":"2000-01-01T00:00:00Z"}`,
			`guard.refused guard checkout {"code":"rate_limited","count":2,"since":"2000-01-01T00:00:00Z"}`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%q, want\n%q", got, want)
		}
	})
}

func TestRecorder_CloseStoresWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, eventstore.RecorderOptions{})
		for i := range 3000 {
			r.topic.Emit(t.Context(), opened{Name: fmt.Sprint(i)})
		}
		if err := r.recorder.Close(t.Context()); err != nil {
			t.Error(err)
		}
		r.topic.Emit(t.Context(), opened{Name: "late"})
		if s := r.balanced(t); s.Stored != 3000 || s.Emitted != 3000 {
			t.Errorf("%+v", s)
		}
		r = record(t, eventstore.RecorderOptions{})
		r.store.gone.Store(true)
		r.topic.Emit(t.Context(), opened{})
		if err := r.recorder.Close(t.Context()); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "1 events could not be stored") {
			t.Error(err)
		}
	})
}

// A stop of the service between two attempts loses nothing and blames nobody.
func TestRecorder_IsServedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, eventstore.RecorderOptions{})
		for round := range 5 {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- r.recorder.Serve(ctx) }()
			r.store.gone.Store(round%2 == 0)
			r.topic.Emit(t.Context(), opened{Name: fmt.Sprint(round)})
			time.Sleep(time.Second)
			cancel()
			<-done
		}
		r.store.gone.Store(false)
		if err := r.recorder.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if s := r.balanced(t); s.Stored != 5 || len(r.stored(t)) != 5 {
			t.Errorf("%+v", s)
		}
	})
}

func TestRecorderStress(t *testing.T) {
	r := record(t, eventstore.RecorderOptions{Queue: 64})
	ctx, cancel := context.WithCancel(context.Background())
	var serving, emitting sync.WaitGroup
	serving.Go(func() { _ = r.recorder.Serve(ctx) })
	const emitters, each = 8, 500
	for range emitters {
		emitting.Go(func() {
			for i := range each {
				r.store.gone.Store(i%50 == 0)
				r.topic.Emit(context.Background(), opened{Name: "a"})
				r.balanced(t)
			}
		})
	}
	emitting.Wait()
	r.store.gone.Store(false)
	cancel()
	serving.Wait()
	if err := r.recorder.Close(context.Background()); err != nil {
		t.Error(err)
	}
	s := r.balanced(t)
	if s.Waiting != 0 || s.Emitted < emitters*each {
		t.Errorf("%+v", s)
	}
	stats, err := r.store.Stats(context.Background())
	if err != nil || uint64(stats.Events) != s.Stored {
		t.Errorf("%d events are stored, %v; %+v", stats.Events, err, s)
	}
}

// sink is a store that keeps nothing.
type sink struct{ eventstore.Store }

func (sink) Append(context.Context, ...eventstore.Event) ([]eventstore.Event, error) { return nil, nil }

// What a recorded event costs the call that causes it, beside an edge that another listens
// to. The queue is emptied between the measurements; the median of many short ones is
// reported, which a busy machine disturbs least.
func BenchmarkRecorder_Emit(b *testing.B) {
	listener := func(*testing.B, *telemetry.Bus) func() { return func() {} }
	recorder := func(b *testing.B, bus *telemetry.Bus) func() {
		b.Helper()
		r, err := eventstore.NewRecorder(sink{}, bus, eventstore.RecorderOptions{})
		if err != nil {
			b.Fatal(err)
		}
		return func() {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() { defer close(done); _ = r.Serve(ctx) }()
			for r.Status().Waiting > 0 {
				runtime.Gosched()
			}
			cancel()
			<-done
		}
	}
	for name, listen := range map[string]func(*testing.B, *telemetry.Bus) func(){"a listener": listener, "and the recorder": recorder} {
		b.Run(name, func(b *testing.B) {
			bus := telemetry.NewBus()
			if _, err := bus.SubscribeEdges("test", func(context.Context, telemetry.Edge) {}); err != nil {
				b.Fatal(err)
			}
			empty, topic := listen(b, bus), telemetry.TopicOf[opened](bus)
			const events = 200
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				for range events {
					topic.Emit(context.Background(), opened{Name: "payments"})
				}
				took = append(took, time.Since(began))
				empty()
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2])/events, "ns/event")
		})
	}
}
