package protect_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect"
	"github.com/elixirscope/foundation/telemetry"
)

func TestPeer10_TenServerErrorsOpenTheBreaker(t *testing.T) {
	b := newBreaker(t, 10)
	reached := 0
	url, client := serve(t, protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached++
		w.WriteHeader(http.StatusInternalServerError)
	}), newGuard(t, guard.Config{Breaker: b})))
	for i := range 10 {
		if status, _, _ := get(t, client, url); status != 500 {
			t.Fatalf("request %d: %d", i+1, status)
		}
	}
	status, body, header := get(t, client, url)
	if status != 503 || reached != 10 || b.State() != breaker.StateOpen {
		t.Errorf("after ten 500s: status %d, %d reached the handler, breaker %v", status, reached, b.State())
	}
	if header.Get("Retry-After") != "60" || !strings.Contains(body, `"code":"circuit_open"`) {
		t.Errorf("Retry-After %q, body %s", header.Get("Retry-After"), body)
	}
}

func TestHandler_OutcomeIsTheStatus(t *testing.T) {
	for status, opens := range map[int]bool{200: false, 404: false, 429: false, 500: true, 503: true} {
		b := newBreaker(t, 1)
		h := protect.Handler(answer(status), newGuard(t, guard.Config{Breaker: b}))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		if got := b.State() == breaker.StateOpen; got != opens {
			t.Errorf("%d: open %v, want %v", status, got, opens)
		}
	}
}

func TestHandler_NothingWrittenIsSuccess(t *testing.T) {
	b := newBreaker(t, 1)
	h := protect.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), newGuard(t, guard.Config{Breaker: b}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if st := b.Status(); w.Code != 200 || b.State() != breaker.StateClosed {
		t.Errorf("%d, %+v", w.Code, st)
	}
}

func TestPeer06_ThreeClientsThatLeaveDoNotOpenTheBreaker(t *testing.T) {
	b := newBreaker(t, 1)
	entered := make(chan struct{})
	var left atomic.Int32
	url, client := serve(t, protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
		left.Add(1)
		protect.ReportError(r.Context(), r.Context().Err())
		w.WriteHeader(http.StatusBadGateway) // what a naive proxy makes of it
	}), newGuard(t, guard.Config{Breaker: b})))
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		go func() { <-entered; cancel() }()
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
			t.Fatal("a canceled request was answered")
		}
	}
	waitFor(t, "three clients left", func() bool { return left.Load() == 3 })
	if b.State() != breaker.StateClosed {
		t.Error("clients that left opened the breaker")
	}
}

func TestHandler_ReportedErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		opens bool
	}{
		"a dial failure":        {errDown, true},
		"an inner refusal":      {fault.New(fault.Spec{Code: fault.RateLimited}), false},
		"an inner open breaker": {fault.New(fault.Spec{Code: fault.CircuitOpen}), false},
		"nothing":               {nil, false},
	} {
		b := newBreaker(t, 1)
		h := protect.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			protect.ReportError(r.Context(), c.err)
			protect.ReportError(r.Context(), nil)
		}), newGuard(t, guard.Config{Breaker: b}))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		if got := b.State() == breaker.StateOpen; got != c.opens {
			t.Errorf("%s: open %v, want %v", name, got, c.opens)
		}
	}
	protect.ReportError(t.Context(), errDown) // no handler above: nothing to tell
}

func TestScenario18_PanicAndGoexitCountAndGoOn(t *testing.T) {
	b := newBreaker(t, 3)
	g := newGuard(t, guard.Config{Breaker: b, Concurrency: 1})
	abort := protect.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), g)
	func() {
		defer func() {
			if v := recover(); v != any(http.ErrAbortHandler) {
				t.Errorf("the panic arrived as %v", v)
			}
		}()
		abort.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}()
	bug := protect.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("bug") }), g)
	func() {
		defer func() { _ = recover() }()
		bug.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}()
	exit := protect.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() }), g)
	done := make(chan struct{})
	go func() {
		defer close(done)
		exit.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}()
	<-done
	if b.State() != breaker.StateOpen {
		t.Errorf("three broken handlers: %+v", b.Status())
	}
}

func TestHandler_AbortAfterTheClientLeftIsNeutral(t *testing.T) {
	b := newBreaker(t, 1)
	aborted := make(chan struct{})
	url, client := serve(t, protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(aborted)
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}), newGuard(t, guard.Config{Breaker: b})))
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	resp.Body.Close()
	<-aborted
	if b.State() != breaker.StateClosed {
		t.Error("a client that left in the middle of a body opened the breaker")
	}
}

func TestHandler_TimeoutAnswers504(t *testing.T) {
	for name, write := range map[string]func(http.ResponseWriter){
		"writes nothing":      func(http.ResponseWriter) {},
		"writes a status":     func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
		"writes a body":       func(w http.ResponseWriter) { _, _ = io.WriteString(w, "late"); _, _ = w.Write([]byte("later")) },
		"flushes":             func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"copies":              func(w http.ResponseWriter) { _, _ = io.Copy(w, strings.NewReader("late")) },
		"refuses by itself":   func(w http.ResponseWriter) { http.Error(w, "late", http.StatusTeapot) },
		"hijacks in vain":     func(w http.ResponseWriter) { _, _, _ = http.NewResponseController(w).Hijack() },
		"writes header twice": func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK); w.WriteHeader(http.StatusCreated) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { timeoutAnswers504(t, write) })
		})
	}
}

func timeoutAnswers504(t *testing.T, write func(http.ResponseWriter)) {
	b := newBreaker(t, 1)
	var cause error
	url, client, _ := virtual(t, protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		cause = context.Cause(r.Context())
		write(w)
	}), newGuard(t, guard.Config{Breaker: b, Timeout: limit})))
	began := time.Now()
	status, body, _ := get(t, client, url)
	if status != 504 || !strings.Contains(body, `"code":"call_timeout"`) || strings.Contains(body, "late") {
		t.Errorf("%d %s", status, body)
	}
	if took := time.Since(began); took != limit {
		t.Errorf("took %v", took)
	}
	if f, ok := errors.AsType[*fault.Error](cause); !ok || f.Code() != fault.CallTimeout || f.Name() != "checkout" {
		t.Errorf("the context ended by %v", cause)
	}
	if b.State() != breaker.StateOpen {
		t.Error("the timeout did not count")
	}
}

func TestHandler_TimeoutBoundsOnlyTheHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, 1)
		url, client, _ := virtual(t, protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(time.Hour):
				_, _ = io.WriteString(w, "all of it")
			case <-r.Context().Done():
			}
		}), newGuard(t, guard.Config{Breaker: b, Timeout: limit})))
		status, body, _ := get(t, client, url)
		if status != 200 || body != "all of it" || b.State() != breaker.StateClosed {
			t.Errorf("%d %q, breaker %v", status, body, b.State())
		}
	})
}

func TestHandler_InformationalStatusIsNotTheAnswer(t *testing.T) {
	b := newBreaker(t, 1)
	url, client := serve(t, protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusInternalServerError)
	}), newGuard(t, guard.Config{Breaker: b})))
	if status, _, _ := get(t, client, url); status != 500 || b.State() != breaker.StateOpen {
		t.Errorf("%d, breaker %v", status, b.State())
	}
}

func TestHandler_PublicBodiesSayNothingOfTheInside(t *testing.T) {
	b := newBreaker(t, 1)
	h := protect.Handler(answer(500), newGuard(t, guard.Config{Breaker: b}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r = r.WithContext(telemetry.WithCorrelation(r.Context(), "c-1"))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var fields map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &fields); err != nil {
		t.Fatal(err)
	}
	for name := range fields {
		if !slices.Contains([]string{"type", "title", "status", "code", "retry_after", "correlation_id"}, name) {
			t.Errorf("%s is public: %v", name, fields)
		}
	}
	if fields["correlation_id"] != "c-1" || fields["status"] != 503.0 || fields["retry_after"] != 60.0 {
		t.Errorf("%v", fields)
	}
	if text := w.Body.String(); strings.Contains(text, "checkout") || strings.Contains(text, "upstream") {
		t.Errorf("names are public: %s", text)
	}
}

func TestHandler_RefuseWith(t *testing.T) {
	g := newGuard(t, guard.Config{Concurrency: 1})
	var inner http.Handler
	h := protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { inner.ServeHTTP(w, r) }), g,
		protect.RefuseWith(func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, fault.ConcurrencyLimited.String(), http.StatusTeapot)
		}))
	inner = h // a request inside the only request
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusTeapot || w.Body.String() != "concurrency_limited\n" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

func TestHandler_MultipartFilesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	url, client := serve(t, protect.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1); err != nil {
			t.Error(err)
		}
	}), newGuard(t, guard.Config{})))
	form := "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n" + strings.Repeat("x", 11<<20) + "\r\n--b--\r\n"
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(form))
	req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	waitFor(t, "the server removes the form's files", func() bool {
		left, _ := filepath.Glob(filepath.Join(dir, "multipart-*"))
		return len(left) == 0
	})
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
}

// failsafe-go changes everybody's executor when one is composed upon it; here
// two handlers and a transport share a guard and differ in everything else.
func TestPeer08_OptionsStayWithWhatTheyWereGivenTo(t *testing.T) {
	b := newBreaker(t, 1)
	g := newGuard(t, guard.Config{Breaker: b})
	strict := protect.Handler(answer(404), g, protect.OutcomeBy(func(int) outcome.Outcome { return outcome.Failure }))
	lenient := protect.Handler(answer(404), g)
	lenient.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	resp, err := protect.Transport(status(404), g).RoundTrip(outgoing(t.Context(), nil))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if b.State() != breaker.StateClosed {
		t.Fatal("the options of one reached another")
	}
	strict.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if b.State() != breaker.StateOpen {
		t.Error("its own options did not count")
	}
}

func TestHandler_ShadowRefusesAndLimitsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, 1)
		g := newGuard(t, guard.Config{Breaker: b, Timeout: limit, Concurrency: 1, Mode: mode.Shadow})
		url, client, _ := virtual(t, protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-time.After(2 * limit)
			w.WriteHeader(http.StatusInternalServerError)
		}), g))
		for range 3 {
			if status, _, _ := get(t, client, url); status != http.StatusInternalServerError {
				t.Errorf("shadow answered %d", status)
			}
		}
	})
}

// What enforcement would let through, because its header came in time, is no
// timeout in shadow either, however long the body takes.
func TestHandler_ShadowTimesTheHeaderAndNotTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, 1)
		g := newGuard(t, guard.Config{Breaker: b, Timeout: limit, Mode: mode.Shadow})
		url, client, _ := virtual(t, protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/late" {
				<-time.After(2 * limit)
			}
			_, _ = w.Write([]byte("head"))
			<-time.After(10 * limit)
			_, _ = w.Write([]byte("tail"))
		}), g))
		if status, body, _ := get(t, client, url); status != http.StatusOK || body != "headtail" {
			t.Errorf("answer %d %q", status, body)
		}
		synctest.Wait()
		if s := g.Status(); s.WouldRefuse[fault.CallTimeout] != 0 || s.Results[guard.Succeeded] != 1 || b.State() != breaker.StateClosed {
			t.Errorf("a long body: would refuse %v, results %v", s.WouldRefuse, s.Results)
		}
		get(t, client, url+"/late")
		synctest.Wait()
		if s := g.Status(); s.WouldRefuse[fault.CallTimeout] != 1 || s.Results[guard.TimedOut] != 1 {
			t.Errorf("a late header: would refuse %v, results %v", s.WouldRefuse, s.Results)
		}
	})
}

// A proxy whose answer breaks off can do nothing but panic; what it reported before
// says whose fault it is.
func TestHandler_AReportCountsMoreThanThePanicAfterIt(t *testing.T) {
	for _, c := range []struct {
		report error
		want   breaker.State
	}{{guard.Neutral(errDown), breaker.StateClosed}, {errDown, breaker.StateOpen}, {nil, breaker.StateOpen}} {
		b := newBreaker(t, 1)
		h := protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			protect.ReportError(r.Context(), c.report)
			panic(http.ErrAbortHandler)
		}), newGuard(t, guard.Config{Breaker: b}))
		func() {
			defer func() { _ = recover() }()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		}()
		if b.State() != c.want {
			t.Errorf("%v: %v, want %v", c.report, b.State(), c.want)
		}
	}
}

func TestHandler_AnswersThatNobodyWaitsForAreNeutral(t *testing.T) {
	b := newBreaker(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	var inner *http.Request
	h := protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner = r
		cancel()
		w.WriteHeader(http.StatusBadGateway) // what it came to because the client left
	}), newGuard(t, guard.Config{Breaker: b, Timeout: time.Minute}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	if b.State() != breaker.StateClosed {
		t.Error("a 502 for a client that had left counted")
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if inner.Context().Err() == nil {
		t.Error("the context of a handler with a time limit goes on after it")
	}
}

func TestHandler_DeadlineFromFurtherOut(t *testing.T) {
	for name, c := range map[string]struct {
		left  time.Duration
		opens bool
	}{
		"that left time enough": {time.Second, true},
		"that left no time":     {time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBreaker(t, 1)
				ctx, cancel := context.WithTimeout(t.Context(), c.left)
				defer cancel()
				h := protect.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
					newGuard(t, guard.Config{Breaker: b, DeadlineFloor: 100 * time.Millisecond, Timeout: time.Minute}))
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
				if got := b.State() == breaker.StateOpen; got != c.opens {
					t.Errorf("open %v, want %v", got, c.opens)
				}
			})
		})
	}
}

// torn is a client that has gone, which its server has not noticed otherwise yet.
type torn struct{ *httptest.ResponseRecorder }

func (torn) Write([]byte) (int, error)       { return 0, io.ErrClosedPipe }
func (torn) WriteString(string) (int, error) { return 0, io.ErrClosedPipe }

// The end of a connection fails a write a moment before it ends the context.
func TestHandler_AClientThatCannotBeWrittenToHasLeft(t *testing.T) {
	for name, write := range map[string]func(http.ResponseWriter) error{
		"bytes": func(w http.ResponseWriter) error { _, err := w.Write([]byte("x")); return err },
		"text":  func(w http.ResponseWriter) error { _, err := io.WriteString(w, "x"); return err },
	} {
		g := newGuard(t, guard.Config{Breaker: newBreaker(t, 1)})
		h := protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if write(w) != nil {
				panic(http.ErrAbortHandler)
			}
		}), g)
		func() {
			defer func() { _ = recover() }()
			h.ServeHTTP(torn{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
		}()
		if s := g.Status(); s.Results[guard.CallerLeft] != 1 {
			t.Errorf("%s: results %v", name, s.Results)
		}
	}
}
