package top

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/cells"
	"github.com/elixirscope/foundation/internal/adminapi"
)

type style = cells.Style

const (
	plain   = cells.Plain
	good    = cells.Good
	warn    = cells.Warn
	bad     = cells.Bad
	faint   = cells.Faint
	bold    = cells.Bold
	reverse = cells.Reverse
)

// cell is one value of a row.
type cell struct {
	text  string
	style style
}

// column is one of the table. Rows are sorted by it with its key, the greatest first.
type column struct {
	title string
	key   string // that sorts by it; "" is none
	width int
	right bool
	wide  bool // is left out where the terminal is narrow
	show  func(r *adminapi.FrameRow, now time.Time) cell
	order func(x, y *adminapi.FrameRow) int // what comes first is less
}

// columns are those of the table, from the left. The name takes what is left over.
var columns = []column{
	{title: "STATE", key: "s", width: 15, show: stateCell, order: func(x, y *adminapi.FrameRow) int {
		return cmp.Or(cmp.Compare(levelRank(y), levelRank(x)), cmp.Compare(x.State, y.State))
	}},
	{title: "KIND", width: 8, show: func(r *adminapi.FrameRow, _ time.Time) cell { return cell{kindWord(r.Kind), plain} }},
	{title: "NAME", key: "n", show: func(r *adminapi.FrameRow, _ time.Time) cell { return cell{r.Name + nameNote(r), plain} }, order: func(x, y *adminapi.FrameRow) int {
		return cmp.Compare(x.Name, y.Name)
	}},
	{title: "FOR", width: 4, right: true, show: func(r *adminapi.FrameRow, now time.Time) cell { return cell{ageText(r.Since, now), plain} }},
	{title: "NEXT", width: 4, right: true, wide: true, show: func(r *adminapi.FrameRow, now time.Time) cell {
		return cell{cmp.Or(untilText(r.NextAt, now), untilText(r.Until, now)), plain}
	}},
	{title: "CALLS/S", key: "r", width: 7, right: true, show: func(r *adminapi.FrameRow, _ time.Time) cell { return cell{rateText(r, r.NowRate), plain} }, order: func(x, y *adminapi.FrameRow) int {
		return cmp.Compare(y.NowRate, x.NowRate)
	}},
	{title: "OK", width: 5, right: true, show: okCell},
	{title: "FAIL", key: "e", width: 9, right: true, wide: true, show: failCell, order: func(x, y *adminapi.FrameRow) int { return cmp.Compare(y.FailureRatio, x.FailureRatio) }},
	{title: "REF/S", key: "d", width: 5, right: true, show: refusedCell, order: func(x, y *adminapi.FrameRow) int { return cmp.Compare(y.RefusedRate, x.RefusedRate) }},
	{title: "P50", width: 6, right: true, wide: true, show: func(r *adminapi.FrameRow, _ time.Time) cell { return cell{tookText(r.P50Seconds), plain} }},
	{title: "P99", key: "l", width: 6, right: true, show: func(r *adminapi.FrameRow, _ time.Time) cell { return cell{tookText(r.P99Seconds), plain} }, order: func(x, y *adminapi.FrameRow) int {
		return cmp.Compare(y.P99Seconds, x.P99Seconds)
	}},
	{title: "IN USE", key: "i", width: 8, right: true, show: usedCell, order: func(x, y *adminapi.FrameRow) int { return cmp.Compare(y.InFlight, x.InFlight) }},
	{title: "LAST ERROR", width: 16, wide: true, show: errorCell},
}

func levelRank(r *adminapi.FrameRow) int {
	return map[string]int{"ok": 1, "note": 2, "warn": 3, "bad": 4}[r.Level]
}

func kindWord(kind string) string {
	if kind == "rate_limit" {
		return "limit"
	}
	return kind
}

// nameNote is what is to be known of a part beside its name.
func nameNote(r *adminapi.FrameRow) (note string) {
	if r.Members > 0 {
		note = fmt.Sprintf(" [%d]", r.Members)
	}
	if r.Mode != "" && r.Mode != "enforce" {
		note += " (" + r.Mode + ")"
	}
	return note
}

// stateCell shows the state as a glyph and a word.
func stateCell(r *adminapi.FrameRow, _ time.Time) cell {
	s := map[string]style{"bad": bad, "warn": warn, "note": warn, "ok": good, "idle": faint}[r.Level]
	switch {
	case r.Override != "":
		return cell{"⚠ " + r.Override, s}
	case r.State == "open":
		return cell{"○ OPEN", s}
	case r.State == "half-open":
		return cell{"◐ half-open", s}
	case r.State == "idle":
		return cell{"· no traffic", s}
	}
	return cell{map[string]string{"bad": "✗", "warn": "▲", "note": "◆", "ok": "●", "idle": "·"}[r.Level] + " " + r.State, s}
}

func okCell(r *adminapi.FrameRow, _ time.Time) cell {
	if r.Calls == 0 || r.SuccessRatio+r.FailureRatio == 0 {
		return cell{"-", faint}
	}
	return cell{percent(r.SuccessRatio), plain}
}

// failCell shows the share of failures against the threshold.
func failCell(r *adminapi.FrameRow, _ time.Time) cell {
	if r.Calls == 0 || r.SuccessRatio+r.FailureRatio == 0 {
		return cell{"-", faint}
	}
	c := cell{percent(r.FailureRatio), plain}
	if r.FailureLimit > 0 {
		c.text += "/" + percent(r.FailureLimit)
		if r.FailureRatio >= r.FailureLimit {
			c.style = bad
		}
	}
	return c
}

func refusedCell(r *adminapi.FrameRow, _ time.Time) cell {
	c := cell{rateText(r, r.RefusedRate), plain}
	if r.RefusedRate > 0 {
		c.style = warn
	}
	return c
}

// usedCell shows what is in flight or lent against its bound; of a rule the rule.
func usedCell(r *adminapi.FrameRow, _ time.Time) cell {
	switch {
	case r.Kind == "rate_limit":
		return cell{fmt.Sprintf("%d/%s", r.Limit, tookText(r.PerSeconds)), faint}
	case r.Kind == "breaker":
		return cell{"", plain}
	case r.Limit > 0:
		c := cell{fmt.Sprintf("%d/%d", r.InFlight, r.Limit), plain}
		if r.InFlight >= r.Limit {
			c.style = bad
		}
		return c
	}
	return cell{strconv.FormatInt(r.InFlight, 10), plain}
}

func errorCell(r *adminapi.FrameRow, now time.Time) cell {
	if r.LastError == "" {
		return cell{"", plain}
	}
	return cell{strings.TrimSpace(r.LastError + " " + ageText(r.LastErrorAt, now)), plain}
}

// percent writes a share so that little is not nothing, and nearly all is not all.
func percent(share float64) string {
	switch p := 100 * share; {
	case p == 0 || p == 100:
		return fmt.Sprintf("%.0f%%", p)
	case p < 10 || p > 99:
		return fmt.Sprintf("%.1f%%", min(max(p, 0.1), 99.9))
	default:
		return fmt.Sprintf("%.0f%%", p)
	}
}

func rateText(r *adminapi.FrameRow, rate float64) string {
	if r.WindowSeconds == 0 && rate == 0 {
		return "-"
	}
	return amount(rate)
}

// amount writes a number in at most five letters.
func amount(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0.01:
		return "<0.01"
	case v < 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v < 10_000:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v < 999_500:
		return strconv.FormatFloat(v/1000, 'f', 0, 64) + "k"
	}
	return strconv.FormatFloat(v/1e6, 'f', 1, 64) + "M"
}

// tookText writes how long something takes in at most six letters.
func tookText(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d <= 0:
		return "-"
	case d < time.Millisecond:
		return strconv.FormatInt(max(1, d.Microseconds()), 10) + "µs"
	case d < 100*time.Millisecond:
		return strconv.FormatFloat(seconds*1000, 'f', 1, 64) + "ms"
	case d < time.Second:
		return strconv.FormatFloat(seconds*1000, 'f', 0, 64) + "ms"
	case d < 10*time.Second && d%time.Second != 0:
		return strconv.FormatFloat(seconds, 'f', 1, 64) + "s"
	}
	return spanText(d)
}

// spanText writes a time to its greatest unit.
func spanText(d time.Duration) string {
	switch d = max(0, d); {
	case d < time.Minute:
		return strconv.Itoa(int(d/time.Second)) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	case d < 24*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + "d"
}

// ageText is how long ago a time is, "" for the zero time.
func ageText(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	return spanText(now.Sub(at))
}

func untilText(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	return spanText(at.Sub(now).Round(time.Second))
}
