package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/config"
)

// BenchmarkReload1000Guards is the part of a reload that this package has: reading,
// checking, comparing and recording a document of 1,000 guards, each with its breaker.
func BenchmarkReload1000Guards(b *testing.B) { benchmarkChange(b, reloadOf) }

func BenchmarkUpdate1000Guards(b *testing.B) {
	benchmarkChange(b, func(b *testing.B, f *fromFile, i int) {
		b.Helper()
		if _, err := f.Update(b.Context(), "/guards/g7/timeout", fmt.Sprintf("%ds", i%1000+1), api); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkEdit1000Guards(b *testing.B) {
	benchmarkChange(b, func(b *testing.B, f *fromFile, i int) {
		b.Helper()
		_, err := f.Edit(b.Context(), func(c *config.Config) error {
			rule := c.Breakers["b7"]
			rule.Probes = i%100 + 1
			c.Breakers["b7"] = rule
			return nil
		}, config.By{})
		if err != nil {
			b.Fatal(err)
		}
	})
}

func thousandGuards(n int) string {
	var s strings.Builder
	s.WriteString("version: 1\nbreakers:\n")
	for i := range 1000 {
		fmt.Fprintf(&s, "  b%d: { failure_threshold: 5, window: %ds }\n", i, n%1000+1)
	}
	s.WriteString("guards:\n")
	for i := range 1000 {
		fmt.Fprintf(&s, "  g%d: { breaker: b%d, timeout: 1s, concurrency: 64 }\n", i, i)
	}
	return s.String()
}

func reloadOf(b *testing.B, f *fromFile, i int) {
	b.Helper()
	b.StopTimer()
	f.write(b, thousandGuards(i+1))
	b.StartTimer()
	if _, err := f.Reload(b.Context(), config.By{}); err != nil {
		b.Fatal(err)
	}
}

func benchmarkChange(b *testing.B, change func(*testing.B, *fromFile, int)) {
	b.Helper()
	f := serveFile(b, thousandGuards(0))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		change(b, f, i)
	}
}
