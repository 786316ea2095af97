package histogram

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestEveryValueLiesInItsBucket(t *testing.T) {
	check := func(v time.Duration) {
		i := index(v)
		lower, upper := bounds(i)
		if v < lower || v >= upper {
			t.Fatalf("%d is in bucket %d = [%d, %d)", v, i, lower, upper)
		}
		if width := upper - lower; lower >= 32 && width*32 > lower {
			t.Fatalf("bucket %d = [%d, %d) is wider than 1/32", i, lower, upper)
		}
	}
	for v := range time.Duration(1 << 20) {
		check(v)
	}
	for range 200_000 {
		check(time.Duration(rand.Int64N(1 << maxBits)))
	}
	if i := index(1<<63 - 1); i != Buckets-1 {
		t.Errorf("the longest duration is in bucket %d", i)
	}
}

func TestBucketsFollowOneAnother(t *testing.T) {
	for i := range Buckets - 1 {
		_, upper := bounds(i)
		if lower, _ := bounds(i + 1); lower != upper {
			t.Fatalf("bucket %d ends at %d, the next begins at %d", i, upper, lower)
		}
	}
}

func TestQuantilesAreWithinOneSixtyFourth(t *testing.T) {
	h := New()
	values := make([]time.Duration, 20_000)
	for i := range values {
		values[i] = time.Duration(rand.ExpFloat64() * float64(20*time.Millisecond))
		h.Record(values[i])
	}
	slices.Sort(values)
	s := h.Snapshot()
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		exact := values[max(int(q*float64(len(values)))-1, 0)]
		if got := s.Quantile(q); (got - exact).Abs() > exact/64+1 {
			t.Errorf("q%v: %v, exactly %v", q, got, exact)
		}
	}
}

func TestNoRecordIsLost(t *testing.T) {
	const goroutines, records = 16, 5_000
	h := New()
	before := h.Snapshot()
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for range records {
				h.Record(time.Duration(g) * time.Microsecond)
			}
			if s := h.Snapshot(); s.Count() < records {
				t.Errorf("a snapshot has %d of at least %d records", s.Count(), records)
			}
		})
	}
	wg.Wait()
	s := h.Snapshot()
	s.Sub(before)
	const sum = records * goroutines * (goroutines - 1) / 2 * time.Microsecond
	if s.Count() != goroutines*records || s.Sum() != sum.Seconds() {
		t.Errorf("count %d, sum %v", s.Count(), s.Sum())
	}
	var seen uint64
	s.Each(func(_, _ float64, n uint64) bool { seen += n; return true })
	if seen != s.Count() {
		t.Errorf("buckets hold %d of %d", seen, s.Count())
	}
}

func TestAnEmptySnapshotHasNoQuantile(t *testing.T) {
	var s Snapshot
	if s.Quantile(0.5) != 0 || s.Mean() != 0 || s.Count() != 0 {
		t.Error("an empty snapshot is not zero")
	}
}

func TestNegativeDurationsCountAsZero(t *testing.T) {
	h := New()
	h.Record(-time.Second)
	if s := h.Snapshot(); s.Count() != 1 || s.Sum() != 0 {
		t.Errorf("count %d, sum %v", s.Count(), s.Sum())
	}
}

func BenchmarkRecord(b *testing.B) {
	h := New()
	b.RunParallel(func(pb *testing.PB) {
		for d := time.Duration(0); pb.Next(); d += 1000 {
			h.Record(d & (1<<30 - 1))
		}
	})
}
