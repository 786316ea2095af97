package histogram

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestEveryValueLiesInItsBucket(t *testing.T) {
	check := func(v time.Duration) {
		shift := shiftOf(uint64(v))
		i := shift<<linearBits + int(v>>shift)
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
	check(1<<maxBits - 1)
	h := New()
	h.Record(1<<63 - 1)
	if s := h.Snapshot(); s.bucket[Buckets-1] != 1 || s.Total() != 1<<63-1 {
		t.Errorf("the longest duration counts %d times in the last bucket, the sum is %v", s.bucket[Buckets-1], s.Total())
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

// A full bucket is taken away: the count of one of the widest after 2¹⁵ records.
func TestFullBucketsLoseNothing(t *testing.T) {
	const goroutines, records = 8, 60_000
	h := New()
	var sum atomic.Int64
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(rand.Uint64(), 0))
			for range records {
				d := 60*time.Second + time.Duration(r.Int64N(int64(10*time.Second)))
				sum.Add(int64(d)) // before: a snapshot never has more
				h.Record(d)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	var last uint64
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		s := h.Snapshot()
		n := time.Duration(s.Count())
		if s.Count() < last || s.Total() > time.Duration(sum.Load()) || s.Total() < n*60*time.Second || s.Total() > n*70*time.Second {
			t.Fatalf("count %d after %d, sum %v of %v", s.Count(), last, s.Total(), time.Duration(sum.Load()))
		}
		last = s.Count()
	}
	if s := h.Snapshot(); s.Count() != goroutines*records || s.Total() != time.Duration(sum.Load()) {
		t.Errorf("count %d, sum %v of %v", s.Count(), s.Total(), time.Duration(sum.Load()))
	}
}

// Whichever field of whichever bucket fills first, it does so before the other
// can overflow, and leaves room for as much again.
func TestFieldsFillBeforeTheyOverflow(t *testing.T) {
	for i := range Buckets {
		lower, upper := bounds(i)
		size := countBits(shiftOf(uint64(lower)))
		most, worst := uint64(1)<<(size-1), uint64(upper-lower-1)
		if worst > 0 && 2*most > (1<<(64-size)-1)/worst {
			t.Errorf("bucket %d: twice %d records overflow the sum of %d bits", i, most, 64-size)
		}
		for _, last := range []uint64{0, worst} {
			h := New()
			word := (most - 1) | (most-1)*worst<<size
			h.shards[0].bucket[i].Store(word)
			for range 3 {
				h.Record(lower + time.Duration(last)) // into whichever shard
			}
			want := time.Duration(most+2)*lower + time.Duration((most-1)*worst+3*last)
			if s := h.Snapshot(); s.Count() != most+2 || s.Total() != want || s.bucket[i] != most+2 {
				t.Fatalf("bucket %d: count %d, want %d; sum %d, want %d", i, s.Count(), most+2, s.Total(), want)
			}
		}
	}
}

func TestNegativeDurationsCountAsZero(t *testing.T) {
	h := New()
	h.Record(-time.Second)
	if s := h.Snapshot(); s.Count() != 1 || s.Sum() != 0 {
		t.Errorf("count %d, sum %v", s.Count(), s.Sum())
	}
}

func TestAddToReusesTheSnapshot(t *testing.T) {
	h, other := New(), New()
	for i := range 1000 {
		h.Record(time.Duration(i) * time.Microsecond)
	}
	h.Record(2 << maxBits) // is folded at once
	other.Record(time.Second)
	s := new(Snapshot)
	h.AddTo(s)
	if want := h.Snapshot(); *s != *want || h.Count() != want.Count() || s.Count() != 1001 {
		t.Errorf("count %d and %d, want %d", s.Count(), h.Count(), want.Count())
	}
	other.AddTo(s)
	if s.Count() != 1002 || s.Bucket(BucketOf(time.Second)) != 1 {
		t.Errorf("%d records, of which %d last a second", s.Count(), s.Bucket(BucketOf(time.Second)))
	}
	if n := testing.AllocsPerRun(10, func() { *s = Snapshot{}; h.AddTo(s) }); n != 0 {
		t.Errorf("%v allocations", n)
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
