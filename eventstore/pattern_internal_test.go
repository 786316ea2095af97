package eventstore

import (
	"regexp"
	"strings"
	"testing"
)

func FuzzPattern(f *testing.F) {
	for _, s := range []string{"", "a", "*", "a*b?c**", "*.*", "????", "a.b"} {
		f.Add(s, "a.b.c")
		f.Add(s, "aab")
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if invalidPattern(pattern) >= 0 || invalidType(s) >= 0 {
			return
		}
		expr := "^" + strings.NewReplacer(".", `\.`, "*", ".*", "?", ".").Replace(pattern) + "$"
		if got, want := matchPattern(pattern, s), regexp.MustCompile(expr).MatchString(s); got != want {
			t.Errorf("%q matches %q: %v, want %v", pattern, s, got, want)
		}
	})
}
