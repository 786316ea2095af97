package sampler_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/internal/sampler"
)

func TestSampler_OneLineASecondAndTheRestCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sampler.Sampler
		for i, want := range []struct {
			omitted uint64
			ok      bool
		}{{0, true}, {0, false}, {0, false}, {2, true}, {0, false}} {
			if i == 3 {
				time.Sleep(sampler.Every)
			}
			if omitted, ok := s.Allow(time.Now()); omitted != want.omitted || ok != want.ok {
				t.Errorf("%d: %d, %v; want %+v", i, omitted, ok, want)
			}
		}
	})
}
