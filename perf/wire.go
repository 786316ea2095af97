package perf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/histogram"
)

const wireVersion = 1

// MarshalBinary writes the snapshot: a version, the resolution, the span in nanoseconds of
// Unix time, the counts, the sum of the durations, and the buckets that are not empty with
// the gaps between them, all as variable-length integers. Snapshots that say the same are
// the same bytes. It never fails.
func (s *Snapshot) MarshalBinary() ([]byte, error) {
	out := append(make([]byte, 0, 256), wireVersion, byte(s.scale))
	out = binary.AppendVarint(out, unixNano(s.From))
	out = binary.AppendVarint(out, unixNano(s.To))
	for _, n := range [...]uint64{s.Succeeded, s.Failed, s.Ignored, s.Refused, uint64(s.sum)} {
		out = binary.AppendUvarint(out, n)
	}
	next := 0
	for i := range s.resolution().buckets() {
		if s.bucket[i] > 0 {
			out = appendBucket(out, i-next, s.bucket[i])
			next = i + 1
		}
	}
	return out, nil
}

func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func ofUnixNano(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// UnmarshalBinary reads what [Snapshot.MarshalBinary] wrote. Anything else is refused with
// [fault.InvalidArgument] and leaves the snapshot as it was.
func (s *Snapshot) UnmarshalBinary(data []byte) error {
	var out Snapshot
	r := wireReader{data: data}
	if v := r.byte(); v != wireVersion && r.err == nil {
		r.fail("version %d is not known: this program reads version %d", v, wireVersion)
	}
	if out.scale = scale(r.byte()); out.scale > finest {
		r.fail("resolution %d does not exist", out.scale)
	}
	out.From, out.To = ofUnixNano(r.signed()), ofUnixNano(r.signed())
	if out.To.Before(out.From) {
		r.fail("the span ends before it begins")
	}
	out.Counts = Counts{r.unsigned(), r.unsigned(), r.unsigned(), r.unsigned()}
	sum := r.unsigned()
	if sum > math.MaxInt64 {
		r.fail("the sum of the durations is too great")
	}
	out.sum = time.Duration(sum)
	if r.err == nil {
		r.buckets(&out)
	}
	if r.err != nil {
		return fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Message: "the snapshot cannot be read", Cause: r.err})
	}
	*s = out
	return nil
}

// wireReader reads variable-length integers, each in its shortest form: after the first
// fault everything is 0.
type wireReader struct {
	data []byte
	err  error
}

func (r *wireReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.data = nil
}

var errShort = errors.New("it ends early")

func (r *wireReader) byte() byte {
	if len(r.data) == 0 {
		r.fail("%w", errShort)
		return 0
	}
	b := r.data[0]
	r.data = r.data[1:]
	return b
}

func (r *wireReader) unsigned() uint64 {
	n, size := binary.Uvarint(r.data)
	switch {
	case size <= 0 && len(r.data) < binary.MaxVarintLen64:
		r.fail("%w", errShort)
		return 0
	case size <= 0 || size > 1 && r.data[size-1] == 0:
		r.fail("a number is not in its shortest form, or too great")
		return 0
	}
	r.data = r.data[size:]
	return n
}

func (r *wireReader) signed() int64 {
	u := r.unsigned()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *wireReader) buckets(out *Snapshot) {
	last, next := out.resolution().buckets(), 0
	for gap := false; len(r.data) > 0; {
		n := r.unsigned()
		switch {
		case r.err != nil:
			return
		case n == 0 && gap:
			r.fail("two gaps follow one another")
		case n == 0:
			skip := r.unsigned()
			if skip == 0 || skip >= histogram.Buckets || len(r.data) == 0 {
				r.fail("a gap of %d buckets leads nowhere", skip)
				return
			}
			next += int(skip)
			gap = true
		case next >= last:
			r.fail("there are more than %d buckets", last)
		case out.n+n < n:
			r.fail("more calls than can be counted")
		default:
			out.bucket[next] = n
			out.n += n
			next++
			gap = false
		}
	}
}
