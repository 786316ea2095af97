package perf_test

import (
	"context"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/perf"
)

// What is under way is kept while nothing ends: calls that hang are what fills a guard.
func TestSeries_OfWhatIsUnderWay(t *testing.T) {
	run(t, perf.Config{}, perf.Options{}, func(k *kit) {
		g, err := guard.New("checkout", guard.Config{})
		if err != nil {
			k.Fatal(err)
		}
		k.m.Follow("parts", []perf.Source{{Name: "checkout", Kind: "guard", Part: g, Read: g.ReadCalls}})
		began := time.Now().Add(500 * time.Millisecond)
		end := make(chan struct{})
		for i := range 3 {
			go func() {
				_ = g.Do(context.Background(), func(context.Context) error { <-time.After(time.Duration(i) * 5 * time.Second); <-end; return nil })
			}()
		}
		<-time.After(25 * time.Second)
		close(end)
		synctest.Wait()
		<-time.After(15 * time.Second)
		series := func(step time.Duration, from, to int) []float64 {
			s, err := k.m.Series("checkout", began.Add(time.Duration(from)*time.Second), began.Add(time.Duration(to)*time.Second), step, "in_flight")
			if err != nil {
				k.Fatal(err)
			}
			return s.Values[0]
		}
		if got := series(time.Second, 22, 28); !slices.Equal(got, []float64{3, 3, 0, 0, 0, 0}) {
			k.Errorf("by seconds: %v", got)
		}
		if got := series(10*time.Second, 0, 30); !slices.Equal(got, []float64{3, 3, 3}) && !slices.Equal(got, []float64{3, 3, 3, 0}) {
			k.Errorf("by slots: %v", got)
		}
		if got := series(10*time.Second, 30, 40); got[0] != 0 {
			k.Errorf("afterwards: %v", got)
		}
		both, err := k.m.Series("checkout", began, began.Add(10*time.Second), 10*time.Second, "p99", "in_flight", "calls")
		if err != nil || both.Values[1][0] != 3 || both.Values[2][0] != 0 || !math.IsNaN(both.Values[0][0]) {
			k.Errorf("%v %+v", err, both)
		}
	})
}

// The operations of a program count what has ended, and nothing else is made up for them.
func TestSeries_OfAnOperationKnowsNothingUnderWay(t *testing.T) {
	run(t, perf.Config{}, perf.Options{}, func(k *kit) {
		k.m.Operation("import").Record(time.Millisecond, outcome.Success)
		<-time.After(3 * time.Second)
		s, err := k.m.Series("op:import", time.Now().Add(-3*time.Second), time.Now(), time.Second, "in_flight", "calls")
		if err != nil {
			k.Fatal(err)
		}
		for _, v := range s.Values[0] {
			if !math.IsNaN(v) {
				k.Errorf("%v", s.Values)
			}
		}
	})
}
