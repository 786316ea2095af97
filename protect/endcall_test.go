package protect_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/protect"
)

// What is left of an answer is between the handler and its client: others must not
// wait for that.
func TestEndCall_FreesThePlaceWhileTheHandlerGoesOn(t *testing.T) {
	for _, tc := range []struct {
		name      string
		serve     func(w http.ResponseWriter, r *http.Request)
		successes uint64
		failures  uint64
	}{
		{"after the header", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			protect.EndCall(r.Context())
		}, 1, 0},
		{"before the header", func(w http.ResponseWriter, r *http.Request) {
			protect.EndCall(r.Context())
			w.WriteHeader(http.StatusOK)
		}, 1, 0},
		{"with a status that is a failure", func(w http.ResponseWriter, r *http.Request) {
			protect.EndCall(r.Context())
			w.WriteHeader(http.StatusBadGateway)
		}, 0, 1},
		{"with an error that was reported before", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			protect.ReportError(r.Context(), errDown)
			protect.EndCall(r.Context())
		}, 0, 1},
		{"with an error that is reported afterwards", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			protect.EndCall(r.Context())
			protect.ReportError(r.Context(), errDown)
		}, 1, 0},
		{"twice", func(w http.ResponseWriter, r *http.Request) {
			protect.EndCall(r.Context())
			_, _ = w.Write([]byte("x"))
			protect.EndCall(r.Context())
		}, 1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBreaker(t, 5)
			g := newGuard(t, guard.Config{Breaker: b, Concurrency: 1})
			h := protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tc.serve(w, r)
				if !isFree(g) {
					t.Error("the place is held although the call is over")
				}
			}), g)
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
			if n := b.Status().Totals; n.Successes != tc.successes || n.Failures != tc.failures {
				t.Errorf("counted %+v", n)
			}
			if s := g.Status(); s.InFlight != 0 || s.SlotsTaken != 0 {
				t.Errorf("%d in flight, %d slots taken", s.InFlight, s.SlotsTaken)
			}
		})
	}
}

func TestEndCall_WithoutAHeaderTheCallGoesOn(t *testing.T) {
	g := newGuard(t, guard.Config{Concurrency: 1})
	h := protect.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		protect.EndCall(r.Context())
		if isFree(g) {
			t.Error("the place was given away before there was an answer")
		}
	}), g)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if !isFree(g) || g.Status().Results[guard.Succeeded] != 1 {
		t.Errorf("results %v", g.Status().Results)
	}
}

// A client that leaves once the upstream has done its part takes nothing back.
func TestEndCall_WhatHappensAfterwardsCountsNoMore(t *testing.T) {
	b := newBreaker(t, 5)
	h := protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		protect.EndCall(r.Context())
		panic(http.ErrAbortHandler)
	}), newGuard(t, guard.Config{Breaker: b}))
	func() {
		defer func() {
			if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				t.Errorf("panicked with %v", err)
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	}()
	if n := b.Status().Totals; n.Successes != 1 || n.Failures != 0 {
		t.Errorf("counted %+v", n)
	}
}

func TestEndCall_OfAConnectionThatLeavesHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, 1)
		g := newGuard(t, guard.Config{Breaker: b, Concurrency: 1})
		echo := echoProtocol(t)
		_, _, dial := virtual(t, protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			protect.EndCall(r.Context())
			echo.ServeHTTP(w, r)
		}), g))
		conn := dial()
		defer conn.Close()
		say(t, conn, upgrade(t, conn), "while it is open")
		if n := b.Status().Totals; !isFree(g) || n.Successes != 1 || b.State() != breaker.StateClosed {
			t.Errorf("place free %v, counted %+v", isFree(g), n)
		}
	})
}

func TestEndCall_WithoutAHandlerDoesNothing(*testing.T) { protect.EndCall(context.Background()) }
