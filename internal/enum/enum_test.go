package enum_test

import (
	"testing"

	"github.com/elixirscope/foundation/internal/enum"
)

type colours struct{}

func (colours) Names() (string, []string) { return "colour", []string{"red", "green"} }

type colour = enum.Of[colours]

func TestNamesAreReadBack(t *testing.T) {
	for v := range colour(2) {
		text, err := v.MarshalText()
		if err != nil || string(text) != v.String() || !v.Known() {
			t.Errorf("%d: %q, %v", v, text, err)
		}
		got := colour(9)
		if err := got.UnmarshalText(text); err != nil || got != v {
			t.Errorf("%q is read as %d, %v", text, got, err)
		}
	}
}

func TestWhatHasNoName(t *testing.T) {
	if got := colour(2).String(); got != "colour(2)" || colour(2).Known() {
		t.Errorf("got %q", got)
	}
	text, err := colour(2).MarshalText()
	if err != nil || string(text) != "colour(2)" {
		t.Errorf("it is written as %q, %v", text, err)
	}
	for _, text := range []string{"blue", "colour(2)", "", "0"} {
		got := colour(1)
		if err := got.UnmarshalText([]byte(text)); err == nil || got != 1 {
			t.Errorf("%q is read as %d, %v", text, got, err)
		}
	}
}
