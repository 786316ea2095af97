package memory

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/priority"
)

func defaults() *thresholds { return Config{}.withDefaults().thresholds() }

// anyInput draws a sample: a ratio that walks, and now and then a condition.
func anyInput(t *rapid.T, ratio *float64) input {
	*ratio = math.Max(0, math.Min(1.2, *ratio+rapid.Float64Range(-0.25, 0.25).Draw(t, "step")))
	in := input{ratio: *ratio, known: rapid.IntRange(0, 9).Draw(t, "known") > 0}
	switch rapid.IntRange(0, 19).Draw(t, "condition") {
	case 0:
		in.hard = "the group ran out"
	case 1:
		in.some = rapid.Float64Range(0, 100).Draw(t, "some")
	case 2:
		in.full = rapid.Float64Range(0, 100).Draw(t, "full")
	case 3:
		in.gcCPU = rapid.Float64Range(0, 1).Draw(t, "gc")
	case 4:
		in.soon = time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "soon"))
	}
	return in
}

// A level that was entered is kept for the dwell, and left one level at a time, whatever the
// ratio and the conditions do. It is not left while the ratio is above its exit.
func TestMachine_NoFlapWithinTheDwell(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		th, now, ratio := defaults(), time.Unix(0, 0), 0.5
		var s state
		for range rapid.IntRange(1, 200).Draw(t, "samples") {
			now = now.Add(time.Duration(rapid.Int64Range(1, int64(time.Second)).Draw(t, "pause")))
			in := anyInput(t, &ratio)
			next := s.next(th, in, now)
			switch {
			case next.level >= s.level:
			case next.level == Unknown:
				if !s.lost.IsZero() && now.Sub(s.lost) < forget {
					t.Fatalf("%v is forgotten after %v", s.level, now.Sub(s.lost))
				}
			case s.level-next.level != 1 || now.Sub(s.since) < th.dwell:
				t.Fatalf("from %v to %v after %v", s.level, next.level, now.Sub(s.since))
			case in.known && in.ratio >= th.exit[s.level]:
				t.Fatalf("%v is left at %v", s.level, in.ratio)
			}
			if next.level != s.level && next.level > Normal && next.cause == "" {
				t.Fatalf("%v has no cause", next.level)
			}
			s = next
		}
	})
}

// A ratio that only rises crosses the levels in their order, and one that only falls back.
func TestMachine_MonotoneRatioCrossesLevelsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		th, now, ratio := defaults(), time.Unix(0, 0), rapid.Float64Range(0, 1).Draw(t, "first")
		up := rapid.Bool().Draw(t, "up")
		var s state
		s = s.next(th, input{ratio: ratio, known: true}, now)
		s = s.next(th, input{ratio: ratio, known: true}, now)
		for range rapid.IntRange(1, 100).Draw(t, "samples") {
			step := rapid.Float64Range(0, 0.05).Draw(t, "step")
			if !up {
				step = -step
			}
			ratio = math.Max(0, ratio+step)
			now = now.Add(time.Duration(rapid.Int64Range(1, int64(5*time.Second)).Draw(t, "pause")))
			next := s.next(th, input{ratio: ratio, known: true}, now)
			if up && next.level < s.level || !up && (next.level > s.level || s.level-next.level > 1) {
				t.Fatalf("from %v to %v on the way to %v, rising: %v", s.level, next.level, ratio, up)
			}
			s = next
		}
	})
}

func TestMachine_Steps(t *testing.T) {
	const tick = 250 * time.Millisecond
	at := func(r float64) input { return input{ratio: r, known: true} }
	for name, tt := range map[string]struct {
		inputs []input
		want   []Level
	}{
		"critical at once":        {[]input{at(0.5), at(0.96)}, []Level{Normal, Critical}},
		"others on the second":    {[]input{at(0.5), at(0.8), at(0.8)}, []Level{Normal, Normal, Elevated}},
		"one sample is no change": {[]input{at(0.5), at(0.9), at(0.5), at(0.9)}, []Level{Normal, Normal, Normal, Normal}},
		"as far as both agree":    {[]input{at(0.5), at(0.8), at(0.9), at(0.9)}, []Level{Normal, Normal, Elevated, High}},
		"out of memory":           {[]input{at(0.1), {ratio: 0.1, known: true, hard: "out"}}, []Level{Normal, Critical}},
		"some wait":               {[]input{{some: 6}, {some: 6}}, []Level{Normal, Elevated}},
		"many wait":               {[]input{{some: 21}, {some: 21}}, []Level{Normal, High}},
		"all wait":                {[]input{{full: 6}, {full: 6}}, []Level{Normal, High}},
		"collecting":              {[]input{{gcCPU: 0.3}, {gcCPU: 0.3}}, []Level{Normal, High}},
		"soon, above elevated":    {[]input{{ratio: 0.76, known: true, soon: 9 * time.Second}, {ratio: 0.76, known: true, soon: 9 * time.Second}}, []Level{Normal, High}},
		"soon, from far below":    {[]input{{ratio: 0.3, known: true, soon: 9 * time.Second}, {ratio: 0.3, known: true, soon: 9 * time.Second}}, []Level{Normal, Normal}},
		"nothing is known":        {[]input{{}, {}}, []Level{Unknown, Unknown}},
	} {
		var s state
		th, now := defaults(), time.Unix(0, 0)
		for i, in := range tt.inputs {
			now = now.Add(tick)
			if s = s.next(th, in, now); s.level != tt.want[i] {
				t.Errorf("%s: after sample %d it is %v, want %v", name, i+1, s.level, tt.want[i])
			}
		}
	}
}

// Down from critical takes a dwell for each level, and a level is kept for a while when
// nothing can be read.
func TestMachine_GoesDownByLevelsAndForgets(t *testing.T) {
	var s state
	th, now := defaults(), time.Unix(0, 0)
	s = s.next(th, input{ratio: 0.99, known: true}, now)
	var took []time.Duration
	for before := s.level; s.level > Normal; before = s.level {
		for s.level == before {
			now = now.Add(100 * time.Millisecond)
			s = s.next(th, input{ratio: 0.2, known: true}, now)
		}
		took = append(took, now.Sub(time.Unix(0, 0)))
	}
	if len(took) != 3 || took[0] != 3100*time.Millisecond || took[2] < 9*time.Second || took[2] > 9300*time.Millisecond {
		t.Errorf("left after %v", took)
	}
	s = s.next(th, input{ratio: 0.99, known: true}, now)
	if left := s.left(th, now); left != th.dwell {
		t.Errorf("it lasts %v at least", left)
	}
	for end := now.Add(forget); now.Before(end); now = now.Add(time.Second) {
		if s = s.next(th, input{}, now); s.level != Critical {
			t.Fatalf("forgotten at %v", now)
		}
	}
	if s = s.next(th, input{}, now); s.level != Unknown {
		t.Errorf("kept for ever: %v", s.level)
	}
}

// More pressure never refuses less, and a lower priority is never refused less.
func TestShed_IsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		th := Config{Levels: anyLevels(t)}.withDefaults().thresholds()
		l1 := Level(rapid.IntRange(0, 4).Draw(t, "level"))
		l2 := Level(rapid.IntRange(int(l1), 4).Draw(t, "worse level"))
		r1 := rapid.Float64Range(0, 1.5).Draw(t, "ratio")
		r2 := r1 + rapid.Float64Range(0, 1).Draw(t, "more")
		a, b := shed(th, l1, r1), shed(th, l2, r2)
		for p := priority.Critical; p <= priority.Bulk; p++ {
			if a[p] > b[p] {
				t.Fatalf("%v is refused %v at %v %v and %v at %v %v", p, a[p], l1, r1, b[p], l2, r2)
			}
			if p > priority.Critical && a[p] < a[p-1] {
				t.Fatalf("%v is refused less than %v: %v", p, p-1, a)
			}
			if a[p] < 0 || a[p] > 1 {
				t.Fatalf("%v is refused %v", p, a[p])
			}
		}
		if a[priority.Critical] != 0 || a.any() != (l1 >= Elevated) {
			t.Fatalf("%v refuses %v", l1, a)
		}
	})
}

func anyLevels(t *rapid.T) Levels {
	e := rapid.Float64Range(0.2, 0.6).Draw(t, "elevated")
	h := e + rapid.Float64Range(0.01, 0.19).Draw(t, "high")
	return Levels{e, h, h + rapid.Float64Range(0.01, 0.2).Draw(t, "critical")}
}

// However seldom or often a collection is worth it, there are no more than one a pause.
func TestHistory_ForcedCollectionsAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := time.Duration(rapid.Int64Range(int64(time.Second), int64(maxGCInterval)).Draw(t, "base"))
		var h history
		now, begin, last := time.Unix(0, 0), time.Unix(0, 0), time.Time{}
		before := time.Duration(0)
		for range rapid.IntRange(1, 200).Draw(t, "samples") {
			now = now.Add(time.Duration(rapid.Int64Range(1, int64(time.Minute)).Draw(t, "pause")))
			if now.Before(h.next) {
				continue
			}
			if !last.IsZero() && now.Sub(last) < base {
				t.Fatalf("two collections %v apart", now.Sub(last))
			}
			last = now
			freed := rapid.SampledFrom([]int64{0, 10}).Draw(t, "freed")
			h = h.after(run{at: now, freed: freed}, 100, base)
			want := min(2*before, longestCooldown)
			if freed > 0 || before == 0 {
				want = base
			}
			if before = h.cooldown; h.cooldown != want {
				t.Fatalf("it pauses %v, want %v", h.cooldown, want)
			}
		}
		if most := 1 + int(now.Sub(begin)/base); int(h.runs) > most {
			t.Fatalf("%d collections in %v", h.runs, now.Sub(begin))
		}
	})
}
