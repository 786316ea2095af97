package memory

import (
	"math"
	"runtime/metrics"
)

// goStats is what the Go runtime knows of its memory.
type goStats struct {
	mapped   uint64 // what GOMEMLIMIT bounds: all that is mapped and not given back
	objects  uint64 // in the heap, dead ones that were not collected yet included
	live     uint64 // what the last collection found in use; 0 before the first
	goal     uint64 // the size of the heap at which the next collection ends
	released uint64 // given back to the system
	limit    reading
	limiter  uint64  // the last cycle in which collecting was held back to save processor time
	gcCPU    float64 // seconds of processor time that collecting took, without idle time
	cpu      float64 // seconds of processor time there were
}

// used is what cannot be collected, as far as is known: objects that the last collection
// has not found in use may be dead. The runtime collects them before its limit is reached,
// so what they take is not what the limit is short of.
func (g *goStats) used() uint64 { return g.mapped - min(g.mapped, g.garbage()) }

func (g *goStats) garbage() uint64 {
	if g.live == 0 || g.objects < g.live {
		return 0
	}
	return g.objects - g.live
}

// The metrics that are read, in the order of their use.
const (
	goMapped = iota
	goReleased
	goObjects
	goLive
	goGoal
	goLimit
	goLimiter
	goGC
	goGCIdle
	goCPU
	goMetrics
)

var goNames = [goMetrics]string{
	goMapped: "/memory/classes/total:bytes", goReleased: "/memory/classes/heap/released:bytes", goObjects: "/memory/classes/heap/objects:bytes",
	goLive: "/gc/heap/live:bytes", goGoal: "/gc/heap/goal:bytes", goLimit: "/gc/gomemlimit:bytes", goLimiter: "/gc/limiter/last-enabled:gc-cycle",
	goGC: "/cpu/classes/gc/total:cpu-seconds", goGCIdle: "/cpu/classes/gc/mark/idle:cpu-seconds", goCPU: "/cpu/classes/total:cpu-seconds",
}

// runtimeReader reads the metrics of the runtime. It does not stop the world, which
// runtime.ReadMemStats does.
type runtimeReader struct{ samples []metrics.Sample }

func newRuntimeReader() *runtimeReader {
	r := &runtimeReader{make([]metrics.Sample, goMetrics)}
	for i, name := range goNames {
		r.samples[i].Name = name
	}
	return r
}

// read returns what the runtime says now. A metric that this version of Go does not have is
// 0, and the limit not known.
func (r *runtimeReader) read() goStats {
	metrics.Read(r.samples)
	s := goStats{
		released: r.count(goReleased), objects: r.count(goObjects), live: r.count(goLive), goal: r.count(goGoal), limiter: r.count(goLimiter),
		gcCPU: r.seconds(goGC) - r.seconds(goGCIdle), cpu: r.seconds(goCPU),
	}
	mapped := r.count(goMapped)
	s.mapped = mapped - min(mapped, s.released)
	if l := r.count(goLimit); l > 0 && l < math.MaxInt64 {
		s.limit = reading{l, true}
	}
	return s
}

func (r *runtimeReader) count(i int) uint64 {
	if r.samples[i].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return r.samples[i].Value.Uint64()
}

func (r *runtimeReader) seconds(i int) float64 {
	if r.samples[i].Value.Kind() != metrics.KindFloat64 {
		return 0
	}
	return r.samples[i].Value.Float64()
}
