package perf_test

import (
	"fmt"
	"time"

	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/perf"
)

func ExampleMonitor() {
	m, err := perf.New(perf.Config{
		Thresholds: map[string]perf.Threshold{"op:import": {P99: 250 * time.Millisecond}},
	}, perf.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	// A service of the layer runs m.Serve(ctx); the counts are there at once.
	op := m.Operation("import")
	for i := range 100 {
		op.Record(time.Duration(i+1)*time.Millisecond, outcome.Success)
	}
	op.Record(time.Millisecond, outcome.Failure)

	s, err := m.Snapshot("op:import")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d calls, %.1f %% failed, median %v\n", s.Calls(), 100*s.ErrorRatio(), s.Quantile(0.5).Round(time.Millisecond))
	// Output: 101 calls, 1.0 % failed, median 50ms
}

func ExampleSnapshot_Merge() {
	snapshot := func(d time.Duration) *perf.Snapshot { // of one instance each
		m, _ := perf.New(perf.Config{}, perf.Options{})
		m.Operation("import").Record(d, outcome.Success)
		s, _ := m.Snapshot("op:import")
		return s
	}
	wire, _ := snapshot(time.Second).MarshalBinary() // never fails
	all := snapshot(3 * time.Second)
	var other perf.Snapshot
	if err := other.UnmarshalBinary(wire); err != nil {
		fmt.Println(err)
	}
	all.Merge(&other)
	fmt.Println(all.Calls(), all.Mean())
	// Output: 2 2s
}
