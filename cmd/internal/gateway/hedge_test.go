package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/retry"
)

// hedging is a guard that hedges after 20 ms.
func hedging(s *setup) {
	s.guard.Hedge = &guard.Hedge{After: guard.HedgeAfter{Delay: 20 * time.Millisecond}}
	s.guard.Concurrency = 1
}

// holding waits until its request is canceled, and tells.
func holding(told chan struct{}) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		told <- struct{}{}
	}
}

// settled waits until nothing of the route is under way.
func (r *rig) settled() guard.Status {
	r.Helper()
	for range time.Tick(time.Millisecond) {
		s := r.guard.Status()
		under := s.InFlight + s.SlotsTaken + s.Hedges.Losers
		for _, h := range r.gateway.Routes()[0].Upstreams.Hosts {
			under += h.InFlight
		}
		if under == 0 {
			return s
		}
	}
	return guard.Status{}
}

func TestHedge_GoesToAnotherHost(t *testing.T) {
	c := newCluster(t, 2)
	var lines bytes.Buffer
	group, err := breaker.NewGroup("hosts", breaker.Config{FailureThreshold: 100}, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := c.rig(func(s *setup) {
		hedging(s)
		s.log, s.gateway.AccessLog.Mode = &lines, settings.AccessLogAll
	})
	change := guard.Config{Hedge: r.guard.Config().Hedge, Breakers: group, PerTarget: true, Concurrency: 1}
	change.Retry = &retry.Config{Budget: 1} // the hosts are chosen by chance: all requests may need a hedge
	if err := r.guard.Reconfigure(change); err != nil {
		t.Fatal(err)
	}
	canceled := make(chan struct{}, 100)
	c.hosts[0].does(holding(canceled))
	const requests = 20
	for range requests {
		if status, text := r.send(http.MethodGet, ""); status != http.StatusOK || text != c.hosts[1].address() {
			t.Fatalf("%d %s", status, text)
		}
	}
	s := r.settled()
	hedged := c.hosts[0].asked.Load()
	if hedged == 0 || hedged != int64(s.Hedges.Started) || s.Hedges.Won != s.Hedges.Started || c.hosts[1].asked.Load() != requests {
		t.Errorf("%d and %d requests, hedges %+v", hedged, c.hosts[1].asked.Load(), s.Hedges)
	}
	for range hedged {
		<-canceled
	}
	bad, good := r.host(c.hosts[0].address()), r.host(c.hosts[1].address())
	if bad.Counts.Ignored != uint64(hedged) || bad.Counts.Successes+bad.Counts.Failures != 0 || good.Counts.Successes != requests || good.Counts.Ignored+good.Counts.Failures != 0 {
		t.Errorf("the hosts: %+v and %+v", bad, good)
	}
	for _, b := range group.Members() {
		s := b.Status()
		won, lost := uint64(0), uint64(hedged)
		if s.Member == c.hosts[1].address() {
			won, lost = requests, 0
		}
		if s.Totals.Successes != won || s.Totals.Ignored != lost || s.Totals.Failures != 0 {
			t.Errorf("breaker %s: %+v", s.Member, s.Totals)
		}
	}
	for line := range strings.Lines(lines.String()) {
		var entry struct {
			Upstream string `json:"upstream"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Upstream != "" && entry.Upstream != c.hosts[1].address() {
			t.Errorf("the log names %s: %s", entry.Upstream, line)
		}
	}
}

// The answer of the attempt that won is read to its end, however long it is, over either
// protocol of the client.
func TestHedge_ALongAnswerIsReadToItsEnd(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	c := newCluster(t, 2)
	r := c.rig(func(s *setup) {
		hedging(s)
		s.guard.Retry = &retry.Config{Budget: 1} // as above
	})
	canceled := make(chan struct{}, 100)
	c.hosts[0].does(holding(canceled))
	c.hosts[1].does(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(long) })
	for _, client := range []*http.Client{r.client, r.http2()} {
		for range 10 {
			resp, err := client.Get(r.server.URL + "/x")
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || !bytes.Equal(got, long) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
		}
	}
	if s := r.settled(); s.Results[guard.Succeeded] != 20 || s.Hedges.Started == 0 {
		t.Errorf("%+v", s)
	}
}

func TestHedge_WhatMustNotBeSentTwice(t *testing.T) {
	c := newCluster(t, 2)
	r := c.rig(func(s *setup) {
		hedging(s)
		s.guard.Hedge.After.Delay = time.Millisecond
	})
	for _, m := range c.hosts {
		m.does(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-time.After(20 * time.Millisecond)
		})
	}
	for _, tc := range []struct{ method, body string }{{http.MethodPost, ""}, {http.MethodPut, "x"}, {http.MethodGet, "x"}, {http.MethodDelete, ""}, {http.MethodOptions, ""}} {
		if status, _ := r.send(tc.method, tc.body); status != http.StatusOK {
			t.Errorf("%s: %d", tc.method, status)
		}
	}
	h := r.settled().Hedges
	if sum := c.hosts[0].asked.Load() + c.hosts[1].asked.Load(); sum != 5 || h.Started != 0 || h.Refused[guard.HedgeNotIdempotent] != 1 { // what may be retried, and not hedged, is not counted
		t.Errorf("%d requests, %+v", sum, h)
	}
}

// A host that fails at once does not end the request while another one is asked; if all
// fail, the policy of retries goes on.
func TestHedge_FailuresWaitForTheOthers(t *testing.T) {
	c := newCluster(t, 2)
	r := c.rig(func(s *setup) {
		hedging(s)
		s.guard.Retry = &retry.Config{Backoff: 1, BackoffMax: 1, Attempts: 2}
	})
	var first atomic.Bool
	hedged := make(chan struct{})
	for _, m := range c.hosts {
		m.does(func(w http.ResponseWriter, _ *http.Request) {
			if first.CompareAndSwap(false, true) {
				<-hedged
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			close(hedged)
			for range time.Tick(time.Millisecond) {
				if r.breaker.Status().Totals.Failures > 0 {
					break
				}
			}
			_, _ = io.WriteString(w, "good")
		})
	}
	if status, text := r.send(http.MethodGet, ""); status != http.StatusOK || text != "good" {
		t.Fatalf("%d %s", status, text)
	}
	s := r.settled()
	if c := r.breaker.Status().Totals; c.Failures != 1 || c.Successes != 1 || s.Hedges.Won != 1 || s.Results[guard.Succeeded] != 1 {
		t.Errorf("the breaker counts %+v, %+v", c, s)
	}
}

// An upstream over HTTP/2 may end its answer a while after the last byte of the declared length, and
// with trailers: the attempt that won is not canceled before.
func TestHedge_TheEndOfAnAnswerMayComeAfterItsLastByte(t *testing.T) {
	r := h2cRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "4")
		w.Header().Set("Trailer", "X-End")
		_, _ = io.WriteString(w, "good")
		_ = http.NewResponseController(w).Flush()
		<-time.NewTimer(50 * time.Millisecond).C
		w.Header().Set("X-End", "yes")
	}), func(s *setup) { hedging(s); s.route.H2C = true })
	for _, client := range []*http.Client{r.client, r.http2()} {
		resp, err := client.Get(r.server.URL + "/x")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || string(got) != "good" || resp.Trailer.Get("X-End") != "yes" {
			t.Errorf("%q %v, trailers %v", got, err, resp.Trailer)
		}
	}
}
