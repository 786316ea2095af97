package protect_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/protect"
)

// recorder keeps what it is told.
type recorder struct {
	mu   sync.Mutex
	told []guard.Observation
}

func (r *recorder) Record(o guard.Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, o)
}

func (r *recorder) results() (all []guard.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.told {
		all = append(all, o.Result)
	}
	return all
}

func TestInstrument_MeasuresAndNeverRefuses(t *testing.T) {
	rec := &recorder{}
	done, cancel := context.WithCancel(t.Context())
	cancel()

	h, err := protect.InstrumentHandler(answer(http.StatusTeapot), "served", rec)
	if err != nil {
		t.Fatal(err)
	}
	for _, ctx := range []context.Context{t.Context(), done} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
		if w.Code != http.StatusTeapot {
			t.Errorf("handler: %d", w.Code)
		}
	}
	rt, err := protect.InstrumentTransport(status(503), "sent", rec)
	if err != nil {
		t.Fatal(err)
	}
	for _, ctx := range []context.Context{t.Context(), done} {
		resp, err := rt.RoundTrip(outgoing(ctx, nil))
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("transport: %v, %v", resp, err)
		}
		resp.Body.Close()
	}
	fn, err := protect.InstrumentFunc("called", rec, func(_ context.Context, fail bool) (int, error) {
		if fail {
			return 1, errDown
		}
		return 2, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, ctx := range []context.Context{t.Context(), done} {
		if n, err := fn(ctx, true); n != 1 || !errors.Is(err, errDown) {
			t.Errorf("function: %d, %v", n, err)
		}
		if n, err := fn(ctx, false); n != 2 || err != nil {
			t.Errorf("function: %d, %v", n, err)
		}
	}
	want := []guard.Result{guard.Succeeded, guard.Failed, guard.Failed, guard.Succeeded}
	got := rec.results()
	if len(got) < len(want) {
		t.Fatalf("measured %v", got)
	}
	var live []guard.Result // of those whose context was not done
	rec.mu.Lock()
	for _, o := range rec.told {
		if o.Refused == 0 {
			live = append(live, o.Result)
		}
	}
	rec.mu.Unlock()
	for i := range want {
		if len(live) != len(want) || live[i] != want[i] {
			t.Fatalf("measured %v, want %v", live, want)
		}
	}
}

func TestInstrument_RefusesABadName(t *testing.T) {
	_, err1 := protect.InstrumentHandler(answer(200), "Bad\tName", nil)
	_, err2 := protect.InstrumentTransport(nil, "Bad\tName", nil)
	_, err3 := protect.InstrumentFunc("Bad\tName", nil, func(context.Context, int) (int, error) { return 0, nil })
	for _, err := range []error{err1, err2, err3} {
		if !errors.Is(err, fault.InvalidConfig) {
			t.Errorf("got %v", err)
		}
	}
}

func TestFunc_NilIsAProgrammingError(t *testing.T) {
	for name, call := range map[string]func(){
		"guard":    func() { protect.Func(nil, func(context.Context, int) (int, error) { return 0, nil }) },
		"function": func() { protect.Func[int, int](newGuard(t, guard.Config{}), nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a nil %s was taken", name)
				}
			}()
			call()
		}()
	}
}
