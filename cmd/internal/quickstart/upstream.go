package quickstart

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
)

// behaviour is how the sample upstream answers.
type behaviour int32

const (
	healthy behaviour = iota
	failing           // answers 500
	gone              // cuts the connection, as a dead server does
	slow              // answers after slowAnswer
)

var behaviourNames = map[behaviour]string{healthy: "healthy", failing: "failing", gone: "gone", slow: "slow"}

// slowAnswer is longer than the timeout of the sample guard.
const slowAnswer = 5 * time.Second

// Upstream is the sample service that stands behind a quickstart gateway. Its
// failures are switched on and off under /-/. It is safe for concurrent use.
type Upstream struct {
	mode atomic.Int32
	seen atomic.Int64
	mux  *http.ServeMux
}

// NewUpstream returns a healthy service.
func NewUpstream() *Upstream {
	u := &Upstream{mux: http.NewServeMux()}
	u.mux.HandleFunc("/", u.answer)
	u.mux.HandleFunc("/-/heal", u.become(healthy))
	u.mux.HandleFunc("/-/break", u.become(gone))
	u.mux.HandleFunc("/-/fail", u.become(failing))
	u.mux.HandleFunc("/-/slow", u.become(slow))
	u.mux.HandleFunc("GET /-/seen", u.report)
	return u
}

// ServeHTTP implements http.Handler.
func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) { u.mux.ServeHTTP(w, r) }

// Seen counts the requests that reached the service.
func (u *Upstream) Seen() int64 { return u.seen.Load() }

func (u *Upstream) become(b behaviour) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		u.mode.Store(int32(b))
		writeJSON(w, http.StatusOK, map[string]any{"upstream": behaviourNames[b]})
	}
}

func (u *Upstream) report(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"upstream": behaviourNames[behaviour(u.mode.Load())], "requests_seen": u.seen.Load()})
}

func (u *Upstream) answer(w http.ResponseWriter, r *http.Request) {
	n := u.seen.Add(1)
	switch behaviour(u.mode.Load()) {
	case gone:
		panic(http.ErrAbortHandler)
	case failing:
		writeJSON(w, http.StatusInternalServerError, map[string]any{"error": "switched on with /-/fail"})
		return
	case slow:
		if !clock.Sleep(r.Context(), slowAnswer) {
			return
		}
	case healthy:
	}
	writeJSON(w, http.StatusOK, map[string]any{"hello": "from the sample upstream", "path": r.URL.Path, "requests_seen": n})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that left needs no answer
}
