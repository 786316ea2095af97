package admin

import (
	"fmt"
	"strings"
	"time"
)

// The words that findings and explanations have in common.

// span says how long something lasts, in whole seconds and without what is zero: 12m, 2h5m.
func span(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	if d >= time.Hour {
		d = d.Round(time.Minute)
	}
	return shortened(d.String())
}

// shortened makes 12m0s a 12m and 2h0m0s a 2h.
func shortened(text string) string {
	for _, zero := range []string{"m0s", "h0m"} {
		if rest, ok := strings.CutSuffix(text, zero); ok {
			text = rest + zero[:1]
		}
	}
	return text
}

// took says how long calls take, to three digits.
func took(seconds float64) string {
	d, unit := time.Duration(seconds*float64(time.Second)), time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return shortened(d.Round(unit).String())
}

// clockText is a time of today, with its zone.
func clockText(at time.Time) string { return at.UTC().Format(time.TimeOnly + "Z") }

// sinceText says since when and for how long, "" if that is not known.
func sinceText(at time.Time, seconds float64) string {
	if at.IsZero() {
		return ""
	}
	return ", since " + clockText(at) + " (" + span(seconds) + ")"
}

// percentText writes a share so that little is not nothing, and nearly all is not all.
func percentText(share float64) string {
	switch p := 100 * share; {
	case p == 0 || p == 100:
		return fmt.Sprintf("%.0f %%", p)
	case p < 10, p > 99:
		return fmt.Sprintf("%.1f %%", min(p, 99.9))
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}

// counted writes a number of things: one call, 3 calls.
func counted(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// windowText names the window of what was done of late.
func windowText(seconds float64) string {
	if seconds >= 50 {
		return "in the last minute"
	}
	return "in the last " + span(seconds)
}
