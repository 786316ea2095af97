package admin

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/perf"
)

const (
	sparkSpan = 5 * time.Minute
	sparkStep = 10 * time.Second
)

// getSparklines answers with the last five minutes of every operation that had calls: what a
// page that is opened in the middle of an incident draws its rows with, in one request.
func (a *api) getSparklines(*http.Request) (any, error) {
	m := a.layer.Performance()
	var names []string
	m.EachOperation(time.Second, func(s *perf.OperationStatus) {
		if s.State != perf.Idle {
			names = append(names, s.Name)
		}
	})
	slices.SortFunc(names, cmp.Compare)
	to := time.Now().Truncate(sparkStep) // for all of them the same steps, all of which are over
	v := adminapi.Sparklines{APIVersion: adminapi.Version, StepSeconds: sparkStep.Seconds(), Time: []int64{}, Items: []adminapi.Sparkline{}}
	for _, name := range names {
		s, err := m.Series(name, to.Add(-sparkSpan), to, sparkStep, "rate", "errors")
		if err != nil {
			continue // it went with its part meanwhile
		}
		if len(v.Time) == 0 {
			for _, t := range s.Times {
				v.Time = append(v.Time, t.Unix())
			}
		}
		if len(s.Times) == len(v.Time) { // always, but for a clock that was set meanwhile
			v.Items = append(v.Items, adminapi.Sparkline{Operation: name, Rate: numbers(s.Values[0]), Errors: numbers(s.Values[1])})
		}
	}
	return v, nil
}

// numbers are values of which NaN says nothing.
func numbers(values []float64) []*float64 {
	list := make([]*float64, len(values))
	for i := range values {
		if !math.IsNaN(values[i]) {
			v := digits(values[i])
			list[i] = &v
		}
	}
	return list
}
