//go:build unix

package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"syscall"
	"testing"
	"time"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// BenchmarkFrames is what a second costs in which a hundred watch a thousand guards that have
// calls: half of them as a browser does, compressed.
func BenchmarkFrames(b *testing.B) {
	const guards, watchers = 1000, 100
	c := &config.Config{Version: 1, Performance: &config.Performance{}, Guards: map[string]config.Guard{}, Breakers: map[string]config.Breaker{}}
	for i := range guards {
		breaker := fmt.Sprintf("breaker-%03d", i%200)
		c.Breakers[breaker] = config.Breaker{}
		c.Guards[fmt.Sprintf("guard-%04d", i)] = config.Guard{Breaker: breaker, Config: guard.Config{Timeout: time.Second, Concurrency: 32}}
	}
	layer, err := foundation.Open(b.Context(), foundation.Options{Config: c})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = layer.Close(context.Background()) }()
	var all []*guard.Guard
	for name := range c.Guards {
		g, err := layer.Guard(name)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, g)
	}
	load := func() {
		for _, g := range all {
			for range 20 {
				_ = g.Do(context.Background(), func(context.Context) error { return nil })
			}
		}
	}
	served := New(layer, Options{})
	defer served.Close()
	f := served.frames
	for tick := time.NewTicker(100 * time.Millisecond); ; <-tick.C { // until the monitor has seen them
		load()
		frame := (&api{API: served}).frame(nil)
		if i := slices.IndexFunc(frame.Rows, func(r adminapi.FrameRow) bool { return r.Kind == "guard" && r.Calls > 0 }); i >= 0 {
			tick.Stop()
			break
		}
	}
	var streams []*frameStream
	for i := range watchers {
		w := httptest.NewRecorder()
		w.Body = nil
		streams = append(streams, &frameStream{w: w, control: http.NewResponseController(w), gzip: i%2 == 0})
	}
	spent := time.Duration(0) // of the processor: others may use it as well
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		load()
		before := processor(b)
		b.StartTimer()
		seen := f.seq
		if err := f.next(); err != nil {
			b.Fatal(err)
		}
		list, _, err := f.after(seen)
		if err != nil || len(list) != 1 {
			b.Fatal(err, len(list))
		}
		for _, s := range streams {
			if err := s.send(list[0]); err != nil {
				b.Fatal(err)
			}
		}
		spent += processor(b) - before
	}
	b.ReportMetric(float64(spent.Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// processor is the time that this process has had of the processor.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
