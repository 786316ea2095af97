package perf

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/internal/histogram"
)

func TestScale_EveryBucketOfAFinerOneLiesInOneOfACoarser(t *testing.T) {
	for to := coarsest; to <= finest; to++ {
		for i := range finest.buckets() {
			lower, upper := finest.bounds(i)
			from, until := to.bounds(to.of(i, finest))
			if lower < from || upper > until {
				t.Fatalf("bucket %d, [%v, %v), lies beyond [%v, %v) of scale %d", i, lower, upper, from, until, to)
			}
			if middle := to.middle(to.of(i, finest)); lower > 64 && math.Abs(float64(middle-lower)) > to.err()*float64(lower)+1 {
				t.Fatalf("scale %d gives %v for %v: more than %v off", to, middle, lower, to.err())
			}
		}
	}
	if finest.buckets() != histogram.Buckets || slotScale.buckets() != len(open{}.took) || detectorScale.buckets()-detectorFirst != len(detectorBounds) || len(detectorBounds) != detectorLength {
		t.Errorf("%d, %d and %d buckets", finest.buckets(), slotScale.buckets(), len(detectorBounds))
	}
}

// openOf draws what ten seconds may hold: anything from one call to the busiest.
func openOf(t *rapid.T) *open {
	o := &open{number: rapid.Int64Range(1, 1<<40).Draw(t, "number")}
	low := rapid.IntRange(0, len(o.took)-1).Draw(t, "low")
	high := rapid.IntRange(low, len(o.took)-1).Draw(t, "high")
	most := rapid.SampledFrom([]uint32{1, 100, 10_000, math.MaxUint32}).Draw(t, "most")
	for i := low; i <= high; i++ {
		if rapid.IntRange(0, 3).Draw(t, "filled") > 0 {
			o.took[i] = rapid.Uint32Range(0, most).Draw(t, "count")
		}
	}
	o.Succeeded = min(o.measured(), math.MaxUint32)
	o.Failed = uint64(rapid.Uint32().Draw(t, "failed"))
	o.sum = time.Duration(rapid.Int64Range(0, 1<<50).Draw(t, "sum"))
	return o
}

// A slot holds every call of its ten seconds, however many and however spread.
func TestSlot_LosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := openOf(t)
		var s slot
		s.pack(o)
		want, got := new(Snapshot), new(Snapshot)
		want.addOpen(o)
		got.addSlot(&s)
		want.coarsen(got.resolution())
		if *want != *got {
			t.Fatalf("packed at scale %d in %d bytes: %d calls of %d, sum %v of %v", s.scale, s.len, got.n, want.n, got.sum, want.sum)
		}
	})
}

// Usual traffic keeps the resolution of a sixteenth.
func TestSlot_UsualTrafficFitsAtTheFinestScale(t *testing.T) {
	h := histogram.New()
	rapid.Check(t, func(t *rapid.T) {
		h.Record(time.Duration(20e6 * math.Exp(rapid.Float64Range(-1, 1).Draw(t, "log"))))
	})
	var o open
	for i := range 20 { // 20 buckets of up to 60 calls
		o.took[150+i] = 60
	}
	var s slot
	if s.pack(&o); s.scale != slotScale || s.wide != nil {
		t.Errorf("scale %d", s.scale)
	}
}

func snapshotOf(t *rapid.T) *Snapshot {
	s := new(Snapshot)
	if rapid.Bool().Draw(t, "empty") {
		return s
	}
	from := rapid.Int64Range(1, 1<<60).Draw(t, "from")
	s.From, s.To = ofUnixNano(from), ofUnixNano(from+rapid.Int64Range(0, 1<<40).Draw(t, "span"))
	count := rapid.Uint64Range(0, 1<<40)
	s.Counts = Counts{count.Draw(t, "succeeded"), count.Draw(t, "failed"), count.Draw(t, "ignored"), count.Draw(t, "refused")}
	s.scale = finest - scale(rapid.IntRange(int(coarsest), int(finest)).Draw(t, "scale"))
	s.sum = time.Duration(rapid.Int64Range(0, 1<<50).Draw(t, "sum"))
	for range rapid.IntRange(0, 40).Draw(t, "buckets") {
		s.count(rapid.IntRange(0, s.resolution().buckets()-1).Draw(t, "bucket"), count.Draw(t, "count"))
	}
	return s
}

func merged(all ...*Snapshot) Snapshot {
	var out Snapshot
	for _, s := range all {
		out.Merge(s)
	}
	return out
}

func TestSnapshot_MergeHasTheLawsOfAddition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := snapshotOf(t), snapshotOf(t), snapshotOf(t)
		if merged(a, b) != merged(b, a) {
			t.Fatal("the order matters")
		}
		left, right := merged(a, b), merged(b, c)
		if merged(&left, c) != merged(a, &right) {
			t.Fatal("the grouping matters")
		}
		if merged(a, new(Snapshot)) != merged(a) || merged(a) != *a {
			t.Fatal("the empty snapshot changes something")
		}
	})
}

func TestSnapshot_TravelsAsBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := snapshotOf(t)
		wire, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var back Snapshot
		if err := back.UnmarshalBinary(wire); err != nil || back != *s {
			t.Fatalf("%v: %d calls of %d", err, back.n, s.n)
		}
		for cut := range len(wire) { // what is cut off is refused, or ends at a bucket and has fewer
			var part Snapshot
			if part.UnmarshalBinary(wire[:cut]) == nil && part.n >= s.n && s.n > 0 {
				t.Fatalf("%d of %d bytes are as good as all", cut, len(wire))
			}
		}
	})
}

func FuzzSnapshot_UnmarshalBinary(f *testing.F) {
	s := Snapshot{From: time.Unix(1, 0), To: time.Unix(2, 0), Counts: Counts{Succeeded: 3}}
	s.count(5, 1)
	s.count(900, 2)
	wire, err := s.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wire)
	f.Add([]byte{})
	f.Add([]byte{2, 0})
	f.Add(binary.AppendUvarint([]byte{1, 0, 0, 0}, math.MaxUint64))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := Snapshot{Counts: Counts{Succeeded: 1}}
		got := before
		if err := got.UnmarshalBinary(data); err != nil {
			if got != before {
				t.Fatal("what was refused has changed the snapshot")
			}
			return
		}
		again, err := got.MarshalBinary()
		if err != nil || string(again) != string(data) {
			t.Fatalf("%x was read and is written as %x, %v", data, again, err)
		}
		var sum uint64
		for _, n := range got.bucket {
			sum += n
		}
		if sum != got.n || got.Quantile(0.5) < 0 || got.Mean() < 0 {
			t.Fatalf("%d in the buckets, %d in all", sum, got.n)
		}
		got.Merge(&got)
	})
}

// Seconds that are passed over are empty, and those that are too old are gone.
func TestSecondRing_AgreesWithAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r secondRing
		model := map[int64]uint32{}
		now := int64(1_700_000_000)
		for range rapid.IntRange(1, 50).Draw(t, "puts") {
			now += rapid.SampledFrom([]int64{1, 1, 2, 40, 299, 300, 301, 5000}).Draw(t, "later")
			n := rapid.Uint32Range(1, 9).Draw(t, "n")
			r.put(now, second{small: small{succeeded: n}})
			model[now] = n
		}
		now += rapid.Int64Range(0, 400).Draw(t, "until")
		for at := now - 2*seconds; at <= now+1; at++ {
			s, ok := r.get(at, now)
			if kept := at > now-seconds && at <= now; ok != kept || kept && s.succeeded != model[at] {
				t.Fatalf("%d before now: %+v, %v; want %d, %v", now-at, s.small, ok, model[at], kept)
			}
		}
	})
}
