package protect_test

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/elixirscope/foundation/protect"
)

var noon = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

func TestScenario111_RetryAfterInSecondsAndThreeDateForms(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"0":                              0,
		"120":                            2 * time.Minute,
		" 7\t":                           7 * time.Second,
		"0000000000000000000000030":      30 * time.Second,
		"99999999999":                    math.MaxInt64,
		"99999999999999999999999999":     math.MaxInt64,
		"Mon, 23 Nov 2026 12:01:30 GMT":  90 * time.Second,
		"Monday, 23-Nov-26 12:01:30 GMT": 90 * time.Second,
		"Mon Nov 23 12:01:30 2026":       90 * time.Second,
		"Mon, 23 Nov 2026 11:59:59 GMT":  0, // already over
		"Sunday, 06-Nov-94 08:49:37 GMT": 0, // 1994, not 2094
		"Sunday, 23-Nov-70 12:00:00 GMT": time.Date(2070, time.November, 23, 12, 0, 0, 0, time.UTC).Sub(noon),
	} {
		if got, ok := protect.ParseRetryAfter(value, noon); !ok || got != want {
			t.Errorf("%q: %v, %v; want %v", value, got, ok, want)
		}
	}
}

func TestScenario111_InvalidRetryAfterIsTheDefault(t *testing.T) {
	for _, value := range []string{"", " ", "-1", "+5", "1.5", "1e3", "soon", "12 s", "0x10", "Mon, 23 Nov 2026", "٣"} {
		if got, ok := protect.ParseRetryAfter(value, noon); ok {
			t.Errorf("%q was read as %v", value, got)
		}
		h := http.Header{"Retry-After": {value}}
		if got := protect.RetryAfter(h, 3*time.Second); got != 3*time.Second {
			t.Errorf("%q: %v instead of the default", value, got)
		}
	}
	if got := protect.RetryAfter(http.Header{}, 3*time.Second); got != 3*time.Second {
		t.Errorf("missing: %v instead of the default", got)
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	f.Add("120")
	f.Add("Sunday, 06-Nov-94 08:49:37 GMT")
	f.Add("Mon, 31 Dec 9999 23:59:59 GMT")
	f.Fuzz(func(t *testing.T, value string) {
		if got, ok := protect.ParseRetryAfter(value, noon); got < 0 || !ok && got != 0 {
			t.Errorf("%q: %v, %v", value, got, ok)
		}
	})
}
