package eventstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// unsafe is an edge that calls code of the user's where it is asked what it is about.
type unsafe struct{ about func() }

func (unsafe) EventName() string { return telemetry.Prefix + "test.unsafe" }

func (u unsafe) Edge() (string, fault.Severity) {
	u.about()
	return "unsafe", fault.SeverityInfo
}

// nested is an edge that may refer to itself.
type nested struct {
	Self *nested
	More any
}

func (nested) EventName() string              { return telemetry.Prefix + "test.nested" }
func (nested) Edge() (string, fault.Severity) { return "nested", fault.SeverityInfo }

type leaves struct{}

func (leaves) Error() string { runtime.Goexit(); return "" }

// answers is a store that gives one answer to every batch.
type answers struct {
	eventstore.Store
	append func(ctx context.Context, events ...eventstore.Event) ([]eventstore.Event, error)
}

func (a answers) Append(ctx context.Context, events ...eventstore.Event) ([]eventstore.Event, error) {
	return a.append(ctx, events...)
}

// recordInto is record with a store of its own.
func recordInto(t *testing.T, s eventstore.Store, o eventstore.RecorderOptions) *rig {
	t.Helper()
	r := &rig{bus: telemetry.NewBus()}
	var err error
	if r.recorder, err = eventstore.NewRecorder(s, r.bus, o); err != nil {
		t.Fatal(err)
	}
	r.topic = telemetry.TopicOf[opened](r.bus)
	return r
}

func TestRecorder_CloseEndsWithItsContextThoughTheStoreIgnoresIt(t *testing.T) {
	for _, served := range []bool{true, false} {
		t.Run(fmt.Sprintf("while Serve waits for the store %v", served), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				leave := make(chan struct{})
				r := recordInto(t, answers{append: func(context.Context, ...eventstore.Event) ([]eventstore.Event, error) {
					<-leave
					return nil, nil
				}}, eventstore.RecorderOptions{})
				if served {
					r.serve(t)
				}
				r.topic.Emit(t.Context(), opened{Name: "a"})
				synctest.Wait()
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err := r.recorder.Close(ctx)
				if !errors.Is(err, fault.Unavailable) || time.Since(began) > 2*time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
				if s := r.balanced(t); s.Waiting != 0 || s.Dropped != 1 {
					t.Errorf("%+v", s)
				}
				close(leave)
				synctest.Wait()
				if s := r.balanced(t); s.Waiting != 0 || s.Dropped != 0 || s.Stored != 1 {
					t.Errorf("once the store has answered after all: %+v", s)
				}
			})
		})
	}
}

// What comes too late is counted as dropped: nothing waits for a recorder that is closed.
func TestRecorder_NothingWaitsAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, eventstore.RecorderOptions{})
		asked, answer := make(chan struct{}), make(chan struct{})
		emitted := make(chan struct{})
		go func() {
			defer close(emitted)
			telemetry.TopicOf[unsafe](r.bus).Emit(context.Background(), unsafe{func() { close(asked); <-answer }})
		}()
		<-asked
		r.topic.Emit(t.Context(), opened{Name: "a"})
		r.store.gone.Store(true)
		if err := r.recorder.Close(t.Context()); !errors.Is(err, fault.Unavailable) {
			t.Error(err)
		}
		close(answer)
		<-emitted
		if s := r.balanced(t); s.Emitted != 2 || s.Dropped != 2 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
		if err := r.recorder.Close(t.Context()); err != nil {
			t.Errorf("the second Close: %v", err)
		}
	})
}

// An event that panics when it is asked what it is about is counted as dropped; those after
// it are recorded.
func TestRecorder_AnEdgeThatPanicsCostsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, eventstore.RecorderOptions{})
		r.serve(t)
		telemetry.TopicOf[unsafe](r.bus).Emit(t.Context(), unsafe{func() { panic("boom") }})
		r.topic.Emit(t.Context(), opened{Name: "a"})
		synctest.Wait()
		if s := r.balanced(t); s.Emitted != 2 || s.Stored != 1 || s.Dropped != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// An event that refers to itself, holds a million values, or ends the goroutine on which
// it is written out costs itself at most.
func TestRecorder_EventsThatCannotBeWrittenOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, eventstore.RecorderOptions{})
		topic := telemetry.TopicOf[nested](r.bus)
		loop := &nested{}
		loop.Self = loop
		topic.Emit(t.Context(), *loop)
		r.topic.Emit(t.Context(), opened{Name: "ends", Err: leaves{}})
		wide := any(strings.Repeat("x", 1000))
		for range 10 {
			wide = slicesOf(wide, 100)
		}
		topic.Emit(t.Context(), nested{More: wide})
		topic.Emit(t.Context(), nested{More: map[string]string{"a": strings.Repeat("x", 2<<20)}})
		topic.Emit(t.Context(), nested{More: slicesOf(strings.Repeat("x", 16<<10), 100)})
		r.topic.Emit(t.Context(), opened{Name: "last"})
		for range 2 { // the first may end its goroutine
			done := make(chan struct{})
			go func() {
				defer close(done)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_ = r.recorder.Serve(ctx)
			}()
			<-done
		}
		all := r.stored(t)
		if s := r.balanced(t); s.Stored != 6 || len(all) != 6 || all[5].Name != "last" {
			t.Fatalf("%+v", s)
		}
		for _, e := range all {
			if len(e.Data) > eventstore.MaxData || len(e.Data) > 0 && !json.Valid(e.Data) {
				t.Errorf("%d bytes: %.200s", len(e.Data), e.Data)
			}
		}
	})
}

func slicesOf(v any, n int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = v
	}
	return out
}

func TestRecorder_WritesOutWhatKnowsItsText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, eventstore.RecorderOptions{Node: "n\x001"})
		r.serve(t)
		telemetry.TopicOf[nested](r.bus).Emit(t.Context(), nested{More: []any{big.NewInt(7), 1500 * time.Millisecond, (*nested)(nil)}})
		synctest.Wait()
		all := r.stored(t)
		if len(all) != 1 || string(all[0].Data) != `{"more":["7",1.5,null]}` || all[0].Node != "n1" {
			t.Errorf("%+v", all)
		}
	})
}

// Only what the store says of the batch itself counts, not what made it unavailable.
func TestRecorder_AStoreThatIsAwayBecauseOfABadConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := fault.New(fault.Spec{Code: fault.InvalidConfig, Component: "test", Message: "the database is newer"})
		r := recordInto(t, answers{append: func(context.Context, ...eventstore.Event) ([]eventstore.Event, error) {
			return nil, fault.New(fault.Spec{Code: fault.Unavailable, Component: "test", Cause: cause})
		}}, eventstore.RecorderOptions{})
		r.serve(t)
		r.topic.Emit(t.Context(), opened{Name: "a"})
		time.Sleep(time.Minute)
		if s := r.balanced(t); s.Waiting != 1 || s.Dropped != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A store that answers canceled though nobody has is to blame.
func TestRecorder_AStoreThatCancelsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := recordInto(t, answers{append: func(context.Context, ...eventstore.Event) ([]eventstore.Event, error) {
			return nil, fault.New(fault.Spec{Code: fault.Canceled, Component: "test"})
		}}, eventstore.RecorderOptions{})
		r.serve(t)
		r.topic.Emit(t.Context(), opened{Name: "a"})
		time.Sleep(time.Minute)
		if s := r.balanced(t); s.Waiting != 1 || s.Err == nil {
			t.Errorf("%+v", s)
		}
	})
}

// Counters that panic half-way, or begin anew, are counted neither twice nor not at all.
func TestRecorder_CountersThatFailOrBeginAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		total, fails := uint64(1000), false
		r := record(t, eventstore.RecorderOptions{Counters: func(yield func(eventstore.Count)) {
			if fails {
				fails = false
				panic("boom")
			}
			yield(eventstore.Count{Type: "guard.refused", Name: "g", Code: "c", Total: total})
		}})
		serve := func() {
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			defer func() { _ = recover() }()
			_ = r.recorder.Serve(ctx)
		}
		total, fails = 1005, true
		serve()
		serve()
		total = 3
		serve()
		var got []string
		for _, e := range r.stored(t) {
			var data struct{ Count int }
			if err := json.Unmarshal(e.Data, &data); err != nil {
				t.Error(err)
			}
			got = append(got, fmt.Sprint(data.Count))
		}
		if strings.Join(got, " ") != "5 3" {
			t.Errorf("counted %v", got)
		}
	})
}

// A handler of the recorder's own event may close the recorder.
func TestRecorder_AHandlerOfDroppedMayClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, eventstore.RecorderOptions{Queue: 1})
		closed := false
		_, err := telemetry.Subscribe(r.bus, "test", func(ctx context.Context, _ eventstore.Dropped) {
			closed = r.recorder.Close(ctx) == nil
		})
		if err != nil {
			t.Fatal(err)
		}
		r.topic.Emit(t.Context(), opened{Name: "a"})
		r.topic.Emit(t.Context(), opened{Name: "b"})
		r.serve(t)
		time.Sleep(time.Minute)
		synctest.Wait()
		if !closed {
			t.Error("the handler could not close the recorder")
		}
	})
}

// What was dropped is said in the store also if the recorder was closed before that.
func TestRecorder_CloseSaysWhatWasDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, eventstore.RecorderOptions{Queue: 1})
		r.topic.Emit(t.Context(), opened{Name: "a"})
		r.topic.Emit(t.Context(), opened{Name: "b"})
		if err := r.recorder.Close(t.Context()); err != nil {
			t.Error(err)
		}
		all := r.stored(t)
		if len(all) != 2 || all[1].Type != "event_store.dropped" || string(all[1].Data) != `{"events":1}` {
			t.Errorf("%+v", all)
		}
		if s := r.balanced(t); s.Emitted != 3 || s.Stored != 2 || s.Dropped != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// Serve ends with its context though events come faster than they are stored.
func TestRecorder_ServeEndsUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r *rig
		r = recordInto(t, answers{append: func(_ context.Context, events ...eventstore.Event) ([]eventstore.Event, error) {
			time.Sleep(time.Millisecond)
			r.topic.Emit(context.Background(), opened{Name: "again"})
			return events, nil
		}}, eventstore.RecorderOptions{})
		r.topic.Emit(t.Context(), opened{Name: "a"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_ = r.recorder.Serve(ctx)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("took %v", took)
		}
		r.balanced(t)
	})
}
