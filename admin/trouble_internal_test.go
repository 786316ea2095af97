package admin

import (
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// minute is a minute of a guard.
func minute(change func(*adminapi.Recent)) adminapi.Recent {
	r := adminapi.Recent{Source: sourceMinute, WindowSeconds: 60, Calls: 100, Succeeded: 100, RefusedBy: map[string]uint64{}, FailedBy: map[string]uint64{}}
	change(&r)
	return r
}

func TestJudgeRecent(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*adminapi.Recent)
		trouble string
		reason  string
		share   float64
	}{
		"nothing":              {func(*adminapi.Recent) {}, "", "", 0},
		"refuses just too few": {func(r *adminapi.Recent) { r.Refused = 9 }, "", "", 0},
		"refuses":              {func(r *adminapi.Recent) { r.Refused, r.RefusedBy["rate_limited"] = 10, 10 }, "refuses", "rate_limited", 0.1},
		"is full":              {func(r *adminapi.Recent) { r.Refused, r.RefusedBy["concurrency_limited"] = 10, 10 }, "full", "concurrency_limited", 0.1},
		"bodies too large":     {func(r *adminapi.Recent) { r.Refused, r.RefusedBy["body_too_large"] = 49, 49 }, "refuses", "body_too_large", 0.49},
		"headers too large":    {func(r *adminapi.Recent) { r.Refused, r.RefusedBy["header_too_large"] = 10, 10 }, "refuses", "header_too_large", 0.1},
		"too many of a key":    {func(r *adminapi.Recent) { r.Refused, r.RefusedBy["in_flight_limited"] = 10, 10 }, "refuses", "in_flight_limited", 0.1},
		"malformed requests":   {func(r *adminapi.Recent) { r.Refused, r.RefusedBy["bad_request"] = 90, 90 }, "", "", 0},
		"malformed ones beside others": {func(r *adminapi.Recent) {
			r.Refused, r.RefusedBy["bad_request"], r.RefusedBy["body_too_large"] = 90, 80, 10
		}, "refuses", "body_too_large", 0.1},
		"too few beside malformed ones": {func(r *adminapi.Recent) {
			r.Refused, r.RefusedBy["bad_request"], r.RefusedBy["body_too_large"] = 89, 80, 9
		}, "", "", 0},
		"fails just too little":         {func(r *adminapi.Recent) { r.Failed = 4 }, "", "", 0},
		"fails":                         {func(r *adminapi.Recent) { r.Failed, r.FailedBy["dns"] = 5, 5 }, "fails", "dns", 0.05},
		"four of four are no news":      {func(r *adminapi.Recent) { r.Calls, r.Failed = 4, 4 }, "", "", 0},
		"five of five are":              {func(r *adminapi.Recent) { r.Calls, r.Failed = 5, 5 }, "fails", "", 1},
		"times out":                     {func(r *adminapi.Recent) { r.TimedOut = 30 }, "fails", "call_timeout", 0.3},
		"times out and fails":           {func(r *adminapi.Recent) { r.TimedOut, r.Failed, r.FailedBy["tls"] = 10, 20, 20 }, "fails", "tls", 0.3},
		"what hurts more":               {func(r *adminapi.Recent) { r.Failed, r.Refused, r.RefusedBy["circuit_open"] = 20, 60, 60 }, "refuses", "circuit_open", 0.6},
		"clients leave just too seldom": {func(r *adminapi.Recent) { r.Canceled = 19 }, "", "", 0},
		"clients leave":                 {func(r *adminapi.Recent) { r.Canceled = 20 }, "leave", "canceled", 0.2},
		"slow":                          {func(r *adminapi.Recent) { r.P90Seconds, r.UsualP90Seconds = 0.31, 0.1 }, "slow", "", 1},
		"not slow enough":               {func(r *adminapi.Recent) { r.P90Seconds, r.UsualP90Seconds = 0.29, 0.1 }, "", "", 0},
		"slow by nothing to speak of":   {func(r *adminapi.Recent) { r.P90Seconds, r.UsualP90Seconds = 0.03, 0.001 }, "", "", 0},
		"slow, in a few calls":          {func(r *adminapi.Recent) { r.Succeeded, r.P90Seconds, r.UsualP90Seconds = 19, 3, 0.1 }, "", "", 0},
		"slow, and nothing to compare":  {func(r *adminapi.Recent) { r.P90Seconds = 30 }, "", "", 0},
		"since the start":               {func(r *adminapi.Recent) { r.Source, r.Failed = sourceStart, 100 }, "", "", 0},
	} {
		r := minute(c.change)
		judgeRecent(&r)
		if r.Trouble != c.trouble || r.Reason != c.reason || r.Share != c.share {
			t.Errorf("%s: %q for %q, %v; want %q for %q, %v", name, r.Trouble, r.Reason, r.Share, c.trouble, c.reason, c.share)
		}
	}
}

func TestBegun(t *testing.T) {
	at := func(i int) time.Time { return time.Unix(1000, 0).Add(time.Duration(i) * 10 * time.Second) }
	for name, c := range map[string]struct {
		steps   string // f fails, . is well, - has no calls
		trouble string
		want    int // -1: not found
	}{
		"always":                        {"fff", troubleFails, 0},
		"of late":                       {"......ff", troubleFails, 6},
		"with a pause without calls":    {"....f---f", troubleFails, 4},
		"with a few that were well":     {"....f..f", troubleFails, 4},
		"another trouble before":        {"ff...fff", troubleFails, 5},
		"nothing":                       {".....", troubleFails, -1},
		"no calls":                      {"----", troubleFails, -1},
		"":                              {"", troubleFails, -1},
		"refused":                       {"...ff", troubleRefuses, 3},
		"left":                          {"...ff", troubleLeave, 3},
		"over, and the window knows it": {"....ff..", troubleFails, 4},
	} {
		var points []point
		for i, step := range c.steps {
			p := point{at: at(i), calls: 10}
			switch step {
			case 'f':
				p.bad = 5
			case '-':
				p.calls = 0
			}
			points = append(points, p)
		}
		var want time.Time
		if c.want >= 0 {
			want = at(c.want)
		}
		if got := begun(points, c.trouble); !got.Equal(want) {
			t.Errorf("%s: began at %v, want %v", name, got, want)
		}
	}
	slow := []point{{at(0), 9, 0, 0.01}, {at(1), 9, 0, 0.02}, {at(2), 9, 0, 0.2}, {at(3), 9, 0, 0.3}, {at(4), 0, 0, 0}}
	if got := begun(slow, troubleSlow); !got.Equal(at(2)) {
		t.Errorf("slow since %v, want %v", got, at(2))
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		span(0): "0s", span(0.4): "0s", span(59.6): "1m", span(720): "12m", span(7500): "2h5m", span(3600): "1h", span(90061): "25h1m", span(3.2): "3s", span(61): "1m1s",
		took(0.0123456): "12.3ms", took(1): "1s", took(0.25): "250ms", took(90): "1m30s", took(600): "10m", took(0): "0s",
		percentText(0): "0 %", percentText(1): "100 %", percentText(0.9999): "99.9 %", percentText(0.004): "0.4 %", percentText(0.62): "62 %",
		windowText(60): "in the last minute", windowText(23): "in the last 23s", counted(1, "call", "calls"): "1 call", counted(2, "call", "calls"): "2 calls",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
