package enum_test

import (
	"testing"

	"github.com/elixirscope/foundation/internal/enum"
)

type colour uint8

var names = []string{"red", "green"}

func TestNamesAreReadBack(t *testing.T) {
	for v := range colour(2) {
		text, err := enum.Text("colour", names, v)
		if err != nil || string(text) != enum.Name("colour", names, v) {
			t.Errorf("%d: %q, %v", v, text, err)
		}
		got := colour(9)
		if err := enum.Parse("colour", names, text, &got); err != nil || got != v {
			t.Errorf("%q is read as %d, %v", text, got, err)
		}
	}
}

func TestWhatHasNoName(t *testing.T) {
	if got := enum.Name("colour", names, colour(2)); got != "colour(2)" {
		t.Errorf("got %q", got)
	}
	if text, err := enum.Text("colour", names, colour(2)); err == nil {
		t.Errorf("it is written as %q", text)
	}
	got := colour(1)
	if err := enum.Parse("colour", names, []byte("blue"), &got); err == nil || got != 1 {
		t.Errorf("got %d, %v", got, err)
	}
}
