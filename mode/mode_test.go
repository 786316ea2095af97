package mode_test

import (
	"testing"

	"github.com/elixirscope/foundation/mode"
)

func TestTextRoundTrip(t *testing.T) {
	for _, m := range []mode.Mode{mode.Enforce, mode.Shadow, mode.Off} {
		text, err := m.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back mode.Mode
		if err := back.UnmarshalText(text); err != nil || back != m {
			t.Errorf("%v became %v (%v)", m, back, err)
		}
	}
}

func TestUnknownTextLeavesTheModeUnchanged(t *testing.T) {
	m := mode.Shadow
	if err := m.UnmarshalText([]byte("loud")); err == nil || m != mode.Shadow {
		t.Errorf("mode %v, error %v", m, err)
	}
	if text, err := mode.Mode(9).MarshalText(); err != nil || m.UnmarshalText(text) == nil || m != mode.Shadow {
		t.Errorf("an invalid mode is written %q, %v, and was read back", text, err)
	}
}
