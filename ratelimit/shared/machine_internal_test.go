package shared

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/clock"
)

func TestMachine_Steps(t *testing.T) {
	const gen = 4
	up, away := machine{generation: gen, since: 10}, machine{away: true, generation: gen, since: 10, doublings: 1, probeAt: 50}
	late := clock.Instant(10).Add(settled)
	failing := func(n int) machine { m := up; m.failures = n; return m }
	for _, tc := range []struct {
		name   string
		before machine
		event  event
		now    clock.Instant
		after  machine
	}{
		{"an answer", up, event{onAnswer, gen, 0}, 20, up},
		{"an answer after failures", failing(2), event{onAnswer, gen, 0}, 20, up},
		{"a failure", up, event{onFailure, gen, 0}, 20, failing(1)},
		{"a failure of before", up, event{onFailure, gen - 1, 0}, 20, up},
		{
			"the third in a row", failing(2),
			event{onFailure, gen, 0},
			late,
			machine{away: true, generation: gen + 1, since: late, probeAt: late.Add(100 * time.Millisecond)},
		},
		{
			"the third in a row, soon after it came back", failing(2),
			event{onFailure, gen, 0},
			late - 1,
			machine{away: true, generation: gen + 1, since: late - 1, doublings: 1, probeAt: (late - 1).Add(200 * time.Millisecond)},
		},
		{
			"a refusal", up,
			event{onRefusal, gen, 0.5},
			late,
			machine{away: true, generation: gen + 1, since: late, probeAt: late.Add(112500 * time.Microsecond)},
		},
		{"a refusal of before", up, event{onRefusal, gen - 1, 0}, late, up},
		{"no probe is out while up", up, event{onProbeAnswered, gen, 0}, 20, up},
		{
			"a probe that fails", away,
			event{onProbeFailed, gen, 0},
			60,
			machine{away: true, generation: gen, since: 10, doublings: 2, probeAt: clock.Instant(60).Add(400 * time.Millisecond)},
		},
		{"a probe that is answered", away, event{onProbeAnswered, gen, 0}, 60, machine{generation: gen + 1, since: 60, doublings: 1}},
		{"a probe of before", away, event{onProbeAnswered, gen - 2, 0}, 60, away},
		{"an answer to a call from before", away, event{onAnswer, gen - 1, 0}, 60, away},
		{"a failure while away", away, event{onFailure, gen, 0}, 60, away},
	} {
		if got := tc.before.step(tc.event, tc.now); got != tc.after {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.after)
		}
	}
}

func TestMachine_Pauses(t *testing.T) {
	for i, want := range []time.Duration{100, 200, 400, 800, 1600, 1600, 1600} {
		if got := pause(i, 0); got != want*time.Millisecond {
			t.Errorf("pause %d is at least %v", i, got)
		}
		if got, most := pause(i, 1), want*time.Millisecond*5/4; got != most || most > 2*time.Second {
			t.Errorf("pause %d is at most %v", i, got)
		}
	}
}

// The machine is what one would say: it is away after three failures without an answer
// between them, or a refusal, and comes back by the answer to a probe and by nothing else.
func TestMachine_IsThePlainModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, now := machine{}, clock.Instant(0)
		away, inRow, turns := false, 0, uint64(0)
		for range rapid.IntRange(1, 100).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "pause")))
			e := event{
				kind:       eventKind(rapid.IntRange(int(onAnswer), int(onProbeFailed)).Draw(t, "kind")),
				generation: m.generation - uint64(rapid.IntRange(0, 1).Draw(t, "late"))&m.generation,
				draw:       rapid.Float64Range(0, 0.999).Draw(t, "draw"),
			}
			was := m
			m = m.step(e, now)
			if e.generation == was.generation {
				away, inRow = model(away, inRow, e.kind)
			}
			if away != was.away {
				turns++
			}
			if m.away != away || m.generation != turns || !away && m.failures != inRow {
				t.Fatalf("%+v after %+v; the model: away %v, %d in a row, %d transitions", m, e, away, inRow, turns)
			}
			checkPause(t, was, m, now)
		}
	})
}

func model(away bool, inRow int, kind eventKind) (bool, int) {
	switch {
	case away:
		return kind != onProbeAnswered, 0
	case kind == onRefusal, kind == onFailure && inRow == 2:
		return true, 0
	case kind == onFailure:
		return false, inRow + 1
	case kind == onAnswer:
		return false, 0
	}
	return away, inRow
}

func checkPause(t *rapid.T, was, m machine, now clock.Instant) {
	if !m.away || m.probeAt == was.probeAt {
		return
	}
	if d := m.probeAt.Sub(now); d < 100*time.Millisecond || d > 2*time.Second {
		t.Fatalf("a probe in %v", d)
	}
}

// What lets the shell settle an answer without a lock.
func TestMachine_AnAnswerWithoutFailuresChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := machine{
			away: rapid.Bool().Draw(t, "away"), generation: rapid.Uint64().Draw(t, "generation"),
			since: clock.Instant(rapid.Int64().Draw(t, "since")), doublings: rapid.IntRange(0, 100).Draw(t, "doublings"),
		}
		e := event{kind: onAnswer, generation: rapid.Uint64().Draw(t, "of")}
		if after := m.step(e, clock.Instant(rapid.Int64().Draw(t, "now"))); after != m {
			t.Fatalf("%+v became %+v", m, after)
		}
	})
}
