package memory

import (
	"os"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/priority"
)

// A sample reads the files of the machine that runs the benchmark.
func BenchmarkSample(b *testing.B) {
	m, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.observe(time.Now())
	}
	b.ReportMetric(float64(len(m.last.Terms)), "terms")
}

func BenchmarkSampleParts(b *testing.B) {
	read := newRuntimeReader().read
	b.Run("runtime", func(b *testing.B) {
		for b.Loop() {
			_ = read()
		}
	})
	f := files{root: os.DirFS("/")}
	b.Run("files", func(b *testing.B) {
		now := time.Now()
		for b.Loop() {
			_ = f.sample(now, false)
		}
	})
}

func BenchmarkAdmit(b *testing.B) {
	for _, bc := range []struct {
		name  string
		level Level
	}{{"normal", Normal}, {"critical", Critical}} {
		m, err := New(Config{})
		if err != nil {
			b.Fatal(err)
		}
		v := &view{level: bc.level, fresh: time.Now().Add(time.Hour), shares: shed(m.thresholds, bc.level, 1)}
		m.view.Store(v)
		if v.shares.any() {
			m.refusing.Store(1)
		}
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = m.Admit(priority.Bulk, 1)
			}
		})
	}
}

func TestAdmit_AllocatesNothingWhenNothingIsRefused(t *testing.T) {
	m, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { _ = m.Admit(priority.Bulk, 1) }); n > 0 && !testkit.Race {
		t.Errorf("%v allocations", n)
	}
}
