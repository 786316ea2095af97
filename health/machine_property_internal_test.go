package health

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A plain model: the whole history as a list.
type history struct {
	all      []Status
	status   Status
	flapping bool
}

func (h *history) add(s Status, worse, better int) {
	h.all = append(h.all, s)
	recent := h.all[max(0, len(h.all)-21):]
	sum := 0.0
	for i := range recent[1:] {
		if recent[len(recent)-1-i] != recent[len(recent)-2-i] {
			sum += 1.18 - 0.02*float64(i)
		}
	}
	if percent := 100 * sum / 20; h.flapping {
		h.flapping = percent > 5.0000001
	} else {
		h.flapping = percent >= 19.9999999
	}
	last := func(n int) []Status {
		if len(h.all) < n {
			return nil
		}
		return h.all[len(h.all)-n:]
	}
	next := h.status
	switch bad, good := last(worse), last(better); {
	case len(h.all) == 1:
		next = s
	case bad != nil && slices.Min(bad) > h.status:
		next = slices.Min(bad)
	case good != nil && slices.Max(good) < h.status:
		next = slices.Max(good)
	}
	if h.flapping {
		next = max(next, h.status, Warn)
	}
	h.status = next
}

func TestMachine_IsThePlainModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Config{FailAfter: rapid.IntRange(1, maxRow).Draw(t, "worse"), PassAfter: rapid.IntRange(1, maxRow).Draw(t, "better")}.withDefaults()
		var s state
		var h history
		now := time.Unix(0, 0)
		for i, o := range rapid.SliceOfN(rapid.SampledFrom([]Outcome{Passed, Passed, Passed, Warned, Failed, Panicked, TimedOut, Hung}), 1, 80).Draw(t, "results") {
			now = now.Add(c.Every)
			before := s.status
			s = s.after(result{outcome: o}, c, now)
			h.add(statusAfter(o), c.FailAfter, c.PassAfter)
			if s.status != h.status || s.flapping != h.flapping {
				t.Fatalf("after %d results: %v, flapping %v (%.2f %%); the model has %v, %v", i+1, s.status, s.flapping, s.recent.changed(), h.status, h.flapping)
			}
			if s.flapping && before != Unknown && s.status < before {
				t.Fatalf("it became better while it flapped: %v → %v", before, s.status)
			}
			if (s.status != before) != s.since.Equal(now) {
				t.Fatalf("since %v at %v, %v → %v", s.since, now, before, s.status)
			}
		}
	})
}

func drawComponents(t *rapid.T) []Component {
	n := rapid.IntRange(0, 12).Draw(t, "n")
	components := make([]Component, n)
	for i := range components {
		components[i] = Component{
			Name: fmt.Sprint("c", i), Status: rapid.SampledFrom([]Status{Unknown, Pass, Pass, Warn, Fail}).Draw(t, "status"),
			Criticality: rapid.SampledFrom([]Criticality{Hard, Soft, Optional}).Draw(t, "criticality"),
		}
		for j := range i { // those before: no cycles
			if rapid.IntRange(0, 3).Draw(t, "edge") == 0 {
				components[i].DependsOn = append(components[i].DependsOn, fmt.Sprint("c", j))
			}
		}
	}
	return components
}

func TestEvaluate_ScoreAndStatusDoNotContradictEachOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := evaluate(drawComponents(t), nil, time.Unix(0, 0), false)
		sum := 0
		for _, d := range r.Deductions {
			sum += d.Points
			if d.Points < 0 || d.Why == "" || d.Component == "" {
				t.Fatalf("deduction %+v", d)
			}
		}
		if r.Score != 100-sum || r.Score < 0 {
			t.Fatalf("score %d after deductions of %d", r.Score, sum)
		}
		if (r.Status == Fail) != (r.Score <= 30) {
			t.Fatalf("status %v with score %d: %+v", r.Status, r.Score, r.Components)
		}
		if r.Status == Pass && r.Score < 90 {
			t.Fatalf("pass with score %d", r.Score)
		}
	})
}

func TestEvaluate_CausesAreBadAndStandOnNothingBad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		components := drawComponents(t)
		r := evaluate(components, nil, time.Unix(0, 0), false)
		at := map[string]int{}
		for i, c := range r.Components {
			at[c.Name] = i
		}
		bad := func(name string) bool { return r.Components[at[name]].Status >= Warn }
		for i, c := range r.Components {
			hasBad := slices.ContainsFunc(c.DependsOn, bad)
			if c.Impacted != (c.Status >= Warn && hasBad) {
				t.Fatalf("%s: impacted %v, status %v, a dependency is bad: %v", c.Name, c.Impacted, c.Status, hasBad)
			}
			for _, cause := range c.Causes {
				if root := r.Components[at[cause]]; !bad(cause) || root.Impacted || slices.ContainsFunc(root.DependsOn, bad) {
					t.Fatalf("%s is said to be caused by %+v", c.Name, root)
				}
				if at[cause] > i {
					t.Fatalf("%s stands before its cause %s", c.Name, cause)
				}
			}
		}
	})
}

// What one component does never makes the whole better when it becomes worse.
func TestEvaluate_WorseIsNeverBetter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		components := drawComponents(t)
		for i := range components {
			components[i].DependsOn = nil
		}
		if len(components) == 0 {
			return
		}
		i := rapid.IntRange(0, len(components)-1).Draw(t, "which")
		components[i].Status = Pass
		before := evaluate(slices.Clone(components), nil, time.Unix(0, 0), false)
		components[i].Status = rapid.SampledFrom([]Status{Warn, Fail}).Draw(t, "worse")
		after := evaluate(slices.Clone(components), nil, time.Unix(0, 0), false)
		if after.Score > before.Score || after.Status != Unknown && before.Status != Unknown && after.Status < before.Status {
			t.Fatalf("from %v %d to %v %d", before.Status, before.Score, after.Status, after.Score)
		}
	})
}

func TestCycle_IsFoundWhereOneIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "n")
		edges := make(map[string][]string, n)
		for i := range n {
			edges[fmt.Sprint(i)] = nil
			for j := range n {
				if rapid.IntRange(0, 5).Draw(t, "edge") == 0 {
					edges[fmt.Sprint(i)] = append(edges[fmt.Sprint(i)], fmt.Sprint(j))
				}
			}
		}
		way := cycle(edges)
		if way != nil {
			for i := range way[1:] {
				if !slices.Contains(edges[way[i]], way[i+1]) {
					t.Fatalf("no edge from %s to %s in %v", way[i], way[i+1], edges)
				}
			}
			if way[0] != way[len(way)-1] {
				t.Fatalf("%v does not end where it begins", way)
			}
		}
		if has := reachesItself(edges); has != (way != nil) {
			t.Fatalf("cycle %v, the model says %v, in %v", way, has, edges)
		}
	})
}

// reachesItself is the closure of the edges, the slow way.
func reachesItself(edges map[string][]string) bool {
	reach := map[[2]string]bool{}
	for a, to := range edges {
		for _, b := range to {
			reach[[2]string{a, b}] = true
		}
	}
	for range edges {
		for a := range edges {
			for b := range edges {
				for c := range edges {
					if reach[[2]string{a, b}] && reach[[2]string{b, c}] {
						reach[[2]string{a, c}] = true
					}
				}
			}
		}
	}
	for a := range edges {
		if reach[[2]string{a, a}] {
			return true
		}
	}
	return false
}
