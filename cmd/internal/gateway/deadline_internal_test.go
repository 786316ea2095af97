package gateway

import (
	"math"
	"testing"
	"time"
)

func TestParseGRPCTimeout(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "250m": 250 * time.Millisecond, "4u": 4 * time.Microsecond, "5n": 5,
		"0m": 0, "00000001S": time.Second, "99999999S": 99999999 * time.Second, "99999999H": math.MaxInt64,
	} {
		if got, ok := parseGRPCTimeout(text); !ok || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "1", "S", "1s", "1h", "-1S", "+1S", "1.5S", " 1S", "1S ", "123456789S", "1_0S", "0x1S", "١S"} {
		if got, ok := parseGRPCTimeout(text); ok {
			t.Errorf("%q passes for %v", text, got)
		}
	}
}
