package perf

import (
	"encoding/binary"
	"math"
	"time"
)

// slotScale is the resolution of a slot: 8 buckets for each doubling, an error of at most
// 1/16. A slot whose calls do not fit is kept at a coarser scale.
const slotScale scale = 3

const (
	slotSeconds = 10
	slots       = 360
	pageSlots   = 30 // which fill a size class of the allocator
	slotBuckets = 64 // at most, that are not empty
	slotBytes   = 66
)

// slot is ten seconds of an operation: counts, and a histogram of at most 64 buckets in at
// most 66 bytes, so that an hour of a thousand operations has a place in memory that is
// known beforehand.
type slot struct {
	sum    time.Duration
	wide   *[]byte // in place of data, where the coarsest scale does not fit: seldom if ever
	number int32   // of the slot, modulo 2^31, from 1; 0 for one that was never written
	small

	scale scale
	len   uint8
	data  [slotBytes]byte
}

// open is the slot that is being filled.
type open struct {
	Counts

	number int64
	sum    time.Duration
	took   [272]uint32 // of slotScale
}

// measured is how many durations there are.
func (o *open) measured() (n uint64) {
	for _, count := range o.took {
		n += uint64(count)
	}
	return n
}

// quantile returns a quantile of the durations, 0 if there are none.
func (o *open) quantile(q float64) time.Duration {
	n, seen := o.measured(), uint64(0)
	for i, count := range o.took {
		if seen += uint64(count); n > 0 && seen >= rank(q, n) {
			return slotScale.middle(i)
		}
	}
	return 0
}

func (o *open) add(d *delta) {
	o.Counts = o.plus(d.Counts)
	o.sum += d.sum
	for i := d.low; i <= d.top; i++ {
		o.took[coarse[i]] += d.took[i]
	}
}

// slotRing keeps the last slots, in pages that are made when they are first needed.
type slotRing struct {
	open  open
	pages [slots / pageSlots]*[pageSlots]slot
}

func numbered(number int64) int32 { return int32(number%(1<<31-1)) + 1 }

func (r *slotRing) find(number int64) *slot {
	i := int(number % slots)
	page := r.pages[i/pageSlots]
	if page == nil || page[i%pageSlots].number != numbered(number) {
		return nil
	}
	return &page[i%pageSlots]
}

// advance closes the slot that is being filled if now belongs to another.
func (r *slotRing) advance(number int64) {
	if r.open.number == number {
		return
	}
	if r.open.Counts != (Counts{}) || r.open.sum != 0 {
		r.close()
	}
	r.open = open{number: number}
}

func (r *slotRing) close() {
	i := int(r.open.number % slots)
	page := &r.pages[i/pageSlots]
	if *page == nil {
		*page = new([pageSlots]slot)
	}
	(*page)[i%pageSlots].pack(&r.open)
}

// pack writes the slot at the finest scale that fits.
func (s *slot) pack(o *open) {
	s.sum, s.number, s.small = o.sum, numbered(o.number), o.small()
	s.wide = nil
	for at := slotScale; ; at-- {
		w := slotWriter{data: s.data[:0], most: slotBytes}
		if w.encode(o, at) {
			s.scale, s.len = at, uint8(len(w.data))
			return
		}
		if at == coarsest {
			w = slotWriter{most: math.MaxInt}
			w.encode(o, at)
			s.scale, s.len, s.wide = at, 0, &w.data
			return
		}
	}
}

// slotWriter writes the buckets in rising order, each as its count; 0 and a number stand
// for so many empty ones. It stops when its room is full: append would move what was
// written elsewhere.
type slotWriter struct {
	data    []byte
	most    int
	next    int
	buckets int
	full    bool
}

// encode reports whether everything fits.
func (w *slotWriter) encode(o *open, at scale) bool {
	from, n := -1, uint64(0)
	for i, count := range o.took {
		if count == 0 {
			continue
		}
		if to := at.of(i, slotScale); to != from {
			w.put(from, n)
			from, n = to, 0
		}
		n += uint64(count)
	}
	w.put(from, n)
	return !w.full
}

func (w *slotWriter) put(bucket int, n uint64) {
	if bucket < 0 || n == 0 || w.full {
		return
	}
	var room [2 * binary.MaxVarintLen64]byte
	token := appendBucket(room[:0], bucket-w.next, n)
	if w.buckets++; w.buckets > slotBuckets || len(w.data)+len(token) > w.most {
		w.full = true
		return
	}
	w.data = append(w.data, token...)
	w.next = bucket + 1
}

// each calls yield with the buckets that are not empty.
func (s *slot) each(yield func(bucket int, n uint64)) {
	data, next := s.data[:s.len], 0
	if s.wide != nil {
		data = *s.wide
	}
	for len(data) > 0 {
		n, size := binary.Uvarint(data)
		data = data[size:]
		if n > 0 {
			yield(next, n)
			next++
			continue
		}
		gap, size := binary.Uvarint(data)
		data = data[size:]
		next += int(gap)
	}
}

// appendBucket appends the count of a bucket that comes gap empty ones after the last.
func appendBucket(to []byte, gap int, n uint64) []byte {
	if gap > 0 {
		to = append(to, 0)
		to = binary.AppendUvarint(to, uint64(gap))
	}
	return binary.AppendUvarint(to, n)
}
