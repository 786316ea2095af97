package health_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/health"
)

// A check that is replaced while a run of the old one is under way must run as soon as that
// has ended, and not an interval later: until then nothing is known of it, and an instance that
// it decides over is not ready.
func TestPrepare_AReplacedCheckRunsOnceTheOldRunHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := health.Config{Every: time.Hour, Timeout: 10 * time.Second, Readiness: true}
		slow := func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(50 * time.Millisecond)
			return ctx.Err()
		}
		s := serve(t, health.Options{}, check("it", slow, settings))
		pass(time.Second)
		next := &script{}
		commit, err := s.Prepare([]string{"it"}, []health.Check{check("it", next.run, settings)})
		if err != nil {
			t.Fatal(err)
		}
		commit()
		pass(time.Second)
		if c := s.component(t, "it"); c.Status != health.Pass || next.runs.Load() != 1 || !s.Report().Ready {
			t.Errorf("got %v after %d runs, ready: %v", c.Status, next.runs.Load(), s.Report().Ready)
		}
	})
}

// A check that is removed between the preparation of a change and its commit is gone: there is
// no function to call for the settings that the change has for it.
func TestPrepare_ACheckThatIsRemovedMeanwhileIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		it := &script{}
		s := serve(t, health.Options{}, check("it", it.run, health.Config{}))
		pass(time.Second)
		commit, err := s.Prepare([]string{"it"}, []health.Check{check("it", nil, health.Config{Every: time.Second})})
		if err != nil {
			t.Fatal(err)
		}
		s.Remove("it")
		commit()
		pass(5 * time.Second)
		if c, is := s.Report().Find("it"); is {
			t.Errorf("it is there, %v: %s", c.Status, c.Output)
		}
	})
}
