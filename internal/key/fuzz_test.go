package key_test

import (
	"testing"

	"github.com/elixirscope/foundation/internal/key"
)

func FuzzTextRoundTrip(f *testing.F) {
	f.Add("org", "42", "a/b", "")
	f.Add("-", "%2D", "\xff", "%")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		k, other := key.Of(a, b, c, d), key.Of(a+b, c, d)
		if back := key.ParseText(k.Text()); back.Hash(key.All) != k.Hash(key.All) {
			t.Errorf("%q came back as %q", k.Text(), back.Text())
		}
		if k.Hash(key.All) == other.Hash(key.All) || k.Text() == other.Text() {
			t.Errorf("four parts and three are one key: %q", k.Text())
		}
	})
}

func FuzzParseText(f *testing.F) {
	f.Add("a/b%2Fc//-/%zz/x/y")
	f.Fuzz(func(t *testing.T, text string) {
		k := key.ParseText(text)
		if again := key.ParseText(k.Text()); again.Text() != k.Text() || again.Hash(key.All) != k.Hash(key.All) {
			t.Errorf("%q reads %q and then %q", text, k.Text(), again.Text())
		}
	})
}
