package perf_test

import (
	"fmt"
	"time"

	"github.com/elixirscope/foundation/perf"
)

func ExampleDetector() {
	d := perf.NewDetector(perf.DetectorConfig{})
	at := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	for i := range 300 {
		value := 20 + float64(i*7%5) // 20 to 24, over and over
		if i == 250 {
			value = 60
		}
		if j := d.Observe(at, value); j.Alert && j.Since.Equal(at) {
			fmt.Printf("%s: %.0f instead of about %.0f\n", at.Format(time.TimeOnly), value, j.Expected)
		}
		at = at.Add(time.Minute)
	}
	// Output:
	// 16:10:00: 60 instead of about 20
}
