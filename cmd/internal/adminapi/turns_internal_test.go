package adminapi

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

// Each configuration takes many times its size in memory while it is read.
func TestTurns_FewAtATimeAndTheOthersWaitForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns()
		releases := make([]func(), turnsAtOnce)
		for i := range releases {
			var err error
			if releases[i], err = turns.take(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		_, err := turns.take(t.Context())
		if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code() != fault.Unavailable || f.RetryAfter() != turnPatience || time.Since(began) != turnPatience {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		left, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		if _, err := turns.take(left); !errors.Is(err, fault.Canceled) {
			t.Errorf("a client that left: %v", err)
		}
		time.AfterFunc(time.Second, releases[0])
		release, err := turns.take(t.Context())
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
		turns := NewTurns()
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
