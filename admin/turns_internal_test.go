package admin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// Each configuration takes many times its size in memory while it is read.
func TestTurns_FewAtATimeAndTheOthersWaitForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(slog.New(slog.DiscardHandler))
		releases := make([]func(), turnsAtOnce)
		for i := range releases {
			var err error
			if releases[i], err = turns.take(t.Context(), "ops"); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		_, err := turns.take(t.Context(), "ops")
		if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code() != fault.Unavailable || f.RetryAfter() != turnPatience || time.Since(began) != turnPatience {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		left, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		if _, err := turns.take(left, "ops"); !errors.Is(err, fault.Canceled) {
			t.Errorf("a client that left: %v", err)
		}
		time.AfterFunc(time.Second, releases[0])
		release, err := turns.take(t.Context(), "ops")
		if err != nil {
			t.Fatal(err)
		}
		release()
		for _, release := range releases[1:] {
			release()
		}
		if len(turns.places) != 0 {
			t.Errorf("%d turns are taken", len(turns.places))
		}
	})
}

func TestTurns_OneActorLeavesPlacesToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(slog.New(slog.DiscardHandler))
		for range followersShare {
			release, err := turns.follow("greedy")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(release)
		}
		for range searchesShare {
			release, err := turns.search(t.Context(), "greedy")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(release)
		}
		if _, err := turns.follow("greedy"); !errors.Is(err, fault.Unavailable) {
			t.Errorf("one stream more: %v", err)
		}
		if _, err := turns.search(t.Context(), "greedy"); !errors.Is(err, fault.Unavailable) {
			t.Errorf("one search more: %v", err)
		}
		began := time.Now()
		follows, err := turns.follow("other")
		if err != nil {
			t.Fatal(err)
		}
		searches, err := turns.search(t.Context(), "other")
		if err != nil || time.Since(began) != 0 {
			t.Fatal(err)
		}
		searches()
		follows()
		if n := len(turns.followers); n != followersShare {
			t.Errorf("%d places are taken, want %d", n, followersShare)
		}
	})
}

// slowStore is a store in which a search ends only with its context.
type slowStore struct{ eventstore.Store }

func (slowStore) Find(ctx context.Context, _ eventstore.Query) (eventstore.Page, error) {
	<-ctx.Done()
	return eventstore.Page{}, ctx.Err()
}

func TestSearch_EndsInTimeAndSaysHowToNarrowIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := search(t.Context(), slowStore{}, eventstore.Query{Type: "rare"})
		if !errors.Is(err, fault.CallTimeout) || !strings.Contains(err.Error(), "since") || time.Since(began) != searchTimeout {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		left, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		if _, err := search(left, slowStore{}, eventstore.Query{}); !errors.Is(err, context.Canceled) {
			t.Errorf("a client that left: %v", err)
		}
	})
}

// stretches is a store of which a search can look at the first stretches only, each with
// one event, and hangs in the last.
type stretches struct {
	eventstore.Store

	n, hang uint64
}

func (s stretches) Find(ctx context.Context, q eventstore.Query) (eventstore.Page, error) {
	at := q.After + 1
	if at == s.hang {
		<-ctx.Done()
		return eventstore.Page{}, ctx.Err()
	}
	return eventstore.Page{Events: []eventstore.Event{{Seq: at, Data: make([]byte, 1<<20)}}, Next: at, More: at < s.n}, nil
}

func TestSearch_GoesFromStretchToStretch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			store stretches
			limit int
			found int
			next  uint64
			more  bool
		}{
			"to the end":                {stretches{n: 5}, 0, 5, 5, false},
			"until the page is full":    {stretches{n: 5}, 3, 3, 3, true},
			"until the page is large":   {stretches{n: 50}, 0, 15, 15, true},
			"until its time is over":    {stretches{n: 5, hang: 3}, 0, 2, 2, true},
			"the last one, which hangs": {stretches{n: 5, hang: 5}, 4, 4, 4, true},
		} {
			page, err := search(t.Context(), c.store, eventstore.Query{Limit: c.limit})
			if err != nil || len(page.Events) != c.found || page.Next != c.next || page.More != c.more {
				t.Errorf("%s: %d events, next %d, more %v, %v", name, len(page.Events), page.Next, page.More, err)
			}
		}
	})
}

func TestTurns_WhatIsRefusedIsCountedAndLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		turns := newTurns(slog.New(slog.NewJSONHandler(&log, nil)))
		for range followersShare {
			if _, err := turns.follow("greedy"); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			if _, err := turns.follow("greedy"); !errors.Is(err, fault.Unavailable) {
				t.Error(err)
			}
		}
		counts := map[string]float64{}
		turns.collect(func(s telemetry.Sample) { counts[s.Labels[0]] = s.Value })
		if counts["stream"] != 3 || counts["search"] != 0 || len(counts) != len(turnNames) {
			t.Errorf("%v", counts)
		}
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, `"request":"stream","actor":"greedy"`) {
			t.Error(text)
		}
	})
}

func TestTurns_AnnotationsHaveARateForEachActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(slog.New(slog.DiscardHandler))
		for i := range annotationBurst {
			if err := turns.annotate("greedy"); err != nil {
				t.Fatal(i, err)
			}
		}
		err := turns.annotate("greedy")
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Code() != fault.RateLimited || f.RetryAfter() <= 0 || !strings.Contains(err.Error(), "greedy may record 10 events a second") {
			t.Error(err)
		}
		if err := turns.annotate("other"); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		for range annotationRate {
			if err := turns.annotate("greedy"); err != nil {
				t.Error(err)
			}
		}
	})
}

// slowClient takes its time to read.
type slowClient struct {
	*httptest.ResponseRecorder

	pause time.Duration // for a MiB
}

func (c slowClient) Write(p []byte) (int, error) {
	time.Sleep(c.pause * time.Duration(len(p)) / (1 << 20))
	return c.ResponseRecorder.Write(p)
}

// Whoever reads a copy keeps others from making one.
func TestBackup_AReaderThatIsTooSlowIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 300 << 20 // to be read in five minutes
		for pause, want := range map[time.Duration]bool{900 * time.Millisecond: true, 25 * time.Second: false} {
			began := time.Now()
			w := slowClient{httptest.NewRecorder(), pause}
			w.Body = nil // nobody looks at it
			err := sendSlowly(http.ResponseWriter(w), &zeroes{size}, size)
			if took := time.Since(began); (err == nil) != want || took > 330*time.Second {
				t.Errorf("a pause of %v: after %v, %v", pause, took, err)
			}
		}
	})
}

// zeroes is a file of so many bytes.
type zeroes struct{ left int }

func (z *zeroes) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.left)
	z.left -= n
	return n, nil
}

// Whoever has no request under way is not remembered: a library's own proof of identity may
// have any number of names.
func TestTurns_AnActorIsForgottenWithItsLastRequest(t *testing.T) {
	turns := newTurns(slog.New(slog.DiscardHandler))
	first, err := turns.follow("ann")
	if err != nil {
		t.Fatal(err)
	}
	second, err := turns.search(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	first()
	if len(turns.actors) != 1 {
		t.Error("forgotten during a search")
	}
	second()
	for range followersShare {
		release, err := turns.follow("bob")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(release)
	}
	if _, err := turns.follow("bob"); !errors.Is(err, fault.Unavailable) {
		t.Errorf("one more than bob's share: %v", err)
	}
	if s := turns.actors["bob"]; len(turns.actors) != 1 || s.uses != followersShare {
		t.Errorf("%d actors are remembered, bob's uses are %+v", len(turns.actors), s)
	}
}

func TestTurns_SearchesAreBoundedInAllAndForEachActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(slog.New(slog.DiscardHandler))
		var releases []func()
		for i := range searchesAtOnce {
			release, err := turns.search(t.Context(), string(rune('a'+i/searchesShare)))
			if err != nil {
				t.Fatal(err)
			}
			releases = append(releases, release)
		}
		for _, actor := range []string{"a", "z"} { // of its share, of all
			if _, err := turns.search(t.Context(), actor); !errors.Is(err, fault.Unavailable) {
				t.Errorf("one more of %s: %v", actor, err)
			}
		}
		releases[0]()
		release, err := turns.search(t.Context(), "z")
		if err != nil {
			t.Fatal(err)
		}
		for _, release := range append(releases[1:], release) {
			release()
		}
		if len(turns.actors) != 0 {
			t.Errorf("%d actors are remembered", len(turns.actors))
		}
	})
}
