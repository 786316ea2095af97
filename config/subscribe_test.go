package config_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/elixirscope/foundation/config"
)

func rename(t *testing.T, s *config.Server, guard string) {
	t.Helper()
	if _, err := s.Edit(t.Context(), func(c *config.Config) error { c.Guards = map[string]config.Guard{guard: {}}; return nil }, config.By{}); err != nil {
		t.Error(err)
	}
}

// TestScenario85_ASubscriberGetsTheNewestAndNothingTwice, whether it is fast or slow.
func TestScenario85_ASubscriberGetsTheNewestAndNothingTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, config.ServerOptions{Config: &config.Config{}})
		const changes = 20
		var fast, slow []uint64
		goOn := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for r := range s.Subscribe(t.Context()) {
				fast = append(fast, r.Number)
			}
		})
		wg.Go(func() {
			for r := range s.Subscribe(t.Context()) {
				if slow = append(slow, r.Number); r.Number == 1 {
					<-goOn
				}
			}
		})
		synctest.Wait()
		for i := range changes {
			rename(t, s, fmt.Sprintf("g%d", i))
			synctest.Wait()
		}
		close(goOn)
		synctest.Wait()
		s.Close()
		wg.Wait()
		var all []uint64
		for i := range uint64(changes + 1) {
			all = append(all, i+1)
		}
		if !slices.Equal(fast, all) {
			t.Errorf("the fast one got %v", fast)
		}
		if !slices.Equal(slow, []uint64{1, changes + 1}) {
			t.Errorf("the slow one got %v", slow)
		}
	})
}

// The last revision before the end is delivered also if the end comes first to the
// subscriber.
func TestScenario85_TheNewestIsNotLostAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 {
			s := serve(t, config.ServerOptions{Config: &config.Config{}})
			var last uint64
			done := make(chan struct{})
			go func() {
				defer close(done)
				for r := range s.Subscribe(t.Context()) {
					last = r.Number
				}
			}()
			synctest.Wait()
			rename(t, s, "g")
			s.Close()
			if <-done; last != 2 {
				t.Fatalf("revision %d was the last", last)
			}
		}
	})
}

// So it is also if change and end come while the subscriber is busy, when both are there
// to be taken.
func TestScenario85_TheNewestIsNotLostAtTheEndByASlowSubscriber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 {
			s := serve(t, config.ServerOptions{Config: &config.Config{}})
			var last uint64
			goOn, done := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(done)
				for r := range s.Subscribe(t.Context()) {
					last = r.Number
					<-goOn
				}
			}()
			synctest.Wait()
			rename(t, s, "g")
			s.Close()
			close(goOn)
			if <-done; last != 2 {
				t.Fatalf("revision %d was the last", last)
			}
		}
	})
}

func TestSubscribe_EndsWithItsContextAndWithItsLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, config.ServerOptions{Config: &config.Config{}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range s.Subscribe(ctx) {
				continue
			}
		}()
		synctest.Wait()
		cancel()
		<-done
		rename(t, s, "g")
		for range s.Subscribe(ctx) {
			t.Error("a revision came after the end")
			break
		}
		for r := range s.Subscribe(t.Context()) {
			if r.Number != 2 || r.Hash == "" || r.Source != "code" {
				t.Errorf("%+v", r)
			}
			break
		}
	})
}

func TestScenario87_ConcurrentChangesAreEachARevision(t *testing.T) {
	f := serveFile(t, fullDocument)
	const writers, each = 4, 8
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				pointer := fmt.Sprintf("/rate_limits/w%d-%d", w, i)
				if _, err := f.Update(t.Context(), pointer, map[string]any{"limit": i + 1}, api); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	now := f.Current()
	if len(now.Config.RateLimits) != writers*each+1 || now.Number != writers*each+1 {
		t.Errorf("revision %d has %d rules", now.Number, len(now.Config.RateLimits))
	}
	records, err := f.History(t.Context(), 0, 0)
	if err != nil || len(records) != writers*each+1 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for i, r := range records {
		if r.Revision != now.Number-uint64(i) {
			t.Errorf("record %d is of revision %d", i, r.Revision)
		}
	}
}
