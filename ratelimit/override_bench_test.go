package ratelimit_test

import (
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/elixirscope/foundation/ratelimit"
)

// plans returns n overrides of ten kinds, by the names of keyNames.
func plans(n int) overrides {
	byKey := make(overrides, n)
	for i, name := range keyNames(n) {
		byKey[name] = ratelimit.Override{Limit: 100_000_000 * int64(1+i%10)}
	}
	return byKey
}

// BenchmarkOverrides decides calls of keys with and without an override among 100,000,
// beside a rule that has none.
func BenchmarkOverrides(b *testing.B) {
	const n = 100_000
	cfg := ratelimit.Config{Limit: 1_000_000_000, Per: time.Hour}
	with, without := overridden(b, cfg, plans(n)), must(b, cfg)
	names := keyNames(2 * n)
	for _, bench := range []struct {
		name string
		l    *ratelimit.Limiter
		from int
	}{{"none", without, 0}, {"other key", with, n}, {"overridden key", with, 0}} {
		for _, keys := range []int{1, n} {
			own := names[bench.from:][:keys]
			for _, name := range own {
				bench.l.Allow(ratelimit.KeyOf(name))
			}
			b.Run(bench.name+"/keys="+strconv.Itoa(keys), func(b *testing.B) {
				i := 0
				b.ReportAllocs()
				for b.Loop() {
					i = (i + 7919) % keys
					if d := bench.l.Allow(ratelimit.KeyOf(own[i])); !d.OK {
						b.Error("refused")
					}
				}
			})
		}
	}
}

// BenchmarkSetOverrides sets 100,000 overrides of which all, or three, are new, while
// every key has been used.
func BenchmarkSetOverrides(b *testing.B) {
	const n = 100_000
	all := plans(n)
	three := maps.Clone(all)
	for _, name := range keyNames(3) {
		three[name] = ratelimit.Override{Limit: 7}
	}
	for name, other := range map[string]overrides{"all": nil, "three": three} {
		b.Run(name, func(b *testing.B) {
			l := overridden(b, ratelimit.Config{Limit: 1_000_000_000, Per: time.Hour}, all)
			for i := range n {
				l.Allow(ratelimit.KeyOf("user-" + strconv.Itoa(i)))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := l.SetOverrides([]overrides{other, all}[i%2]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
