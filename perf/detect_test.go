package perf_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/elixirscope/foundation/perf"
)

// A single spike is one value that is unusual: those behind it, which are as ever, are no part
// of the alert, though the detector still looks whether more comes.
func TestDetector_OnlyWhatIsUnusualIsPartOfAnAlert(t *testing.T) {
	d, r := perf.NewDetector(perf.DetectorConfig{}), rand.New(rand.NewPCG(1, 1))
	at := time.Unix(0, 0)
	for i := range 1000 {
		value := 50 + 5*r.Float64()
		if i == 700 {
			value = 150
		}
		at = at.Add(time.Minute)
		j := d.Observe(at, value)
		if want := i == 700; j.Alert != want || j.Since.IsZero() == want {
			t.Errorf("value %d, %.1f: %+v", i, value, j)
		}
	}
}
