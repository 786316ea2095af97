package cells_test

import (
	"slices"
	"testing"

	"github.com/elixirscope/foundation/cmd/internal/cells"
)

func TestTextsAreCutByTheColumnsThatTheyTake(t *testing.T) {
	for got, want := range map[string]string{
		cells.Shorten("abcdefghij", 5): "ab…ij", cells.Shorten("abcdefghij", 10): "abcdefghij", cells.Shorten("日本語日本語", 5): "日…語",
		cells.Clip("abcdefghij", 5): "abcd…", cells.Clip("abc", 3): "abc", cells.Clip("日本語", 4): "日…", cells.Shorten("abc", 1): "…",
		cells.Printable("a\x1b[2J\u202eb\n"): "a.[2J.b.",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := cells.Wrap("one two threefour five", 8); !slices.Equal(got, []string{"one two", "threefour", "five"}) {
		t.Errorf("%q", got)
	}
	if n := cells.Width("日a\u0301"); n != 3 {
		t.Error(n)
	}
}
