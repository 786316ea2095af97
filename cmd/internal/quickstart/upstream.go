package quickstart

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/admin"
	"github.com/elixirscope/foundation/clock"
)

// behaviour is how the sample upstream answers.
type behaviour int32

const (
	healthy behaviour = iota
	failing           // answers 500
	slow              // answers after slowAnswer
	hanging           // answers nothing until the client leaves
	gone              // cuts the connection, as a dead server does
	behaviours
)

// behaviourNames are the states of the switch.
var behaviourNames = [behaviours]string{healthy: "ok", failing: "failing", slow: "slow", hanging: "hanging", gone: "gone"}

// slowAnswer is longer than the timeout of the sample guard.
const slowAnswer = 5 * time.Second

// Upstream is the sample service that stands behind a quickstart gateway. Its
// failures are switched on and off by POST requests below /-/, and by the switch of the admin
// API. It is safe for concurrent use.
type Upstream struct {
	mode atomic.Int32
	seen atomic.Int64
	mux  *http.ServeMux
}

// NewUpstream returns a healthy service.
func NewUpstream() *Upstream {
	u := &Upstream{mux: http.NewServeMux()}
	u.mux.HandleFunc("/", u.answer)
	origin := http.NewCrossOriginProtection() // no page of another site breaks it
	for path, b := range map[string]behaviour{"heal": healthy, "ok": healthy, "fail": failing, "slow": slow, "hang": hanging, "break": gone} {
		u.mux.Handle("POST /-/"+path, origin.Handler(u.become(b)))
	}
	u.mux.HandleFunc("/-/{word}", http.NotFound)
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

// switchName is the name of the one switch.
const switchName = "upstream"

// Switches lists the switch of the service, for the admin API.
func (u *Upstream) Switches() []admin.Switch {
	return []admin.Switch{{Name: switchName, Title: "Sample upstream", State: behaviourNames[u.mode.Load()], States: behaviourNames[:]}}
}

// Switch puts the service into a state that [Upstream.Switches] lists.
func (u *Upstream) Switch(_ context.Context, name, state string) error {
	i := slices.Index(behaviourNames[:], state)
	if name != switchName || i < 0 {
		return fmt.Errorf("there is no switch %s with a state %s", name, state)
	}
	u.mode.Store(int32(i))
	return nil
}

func (u *Upstream) report(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"upstream": behaviourNames[u.mode.Load()], "requests_seen": u.seen.Load()})
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
	case hanging:
		<-r.Context().Done()
		return
	case healthy, behaviours:
	}
	writeJSON(w, http.StatusOK, map[string]any{"hello": "from the sample upstream", "path": r.URL.Path, "requests_seen": n})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that left needs no answer
}
