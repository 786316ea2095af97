package cli

import (
	"fmt"
	"strconv"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// upstreamTable shows each host of a route.
func upstreamTable(hosts []adminapi.Upstream) *table {
	t := newTable("~NAME", "~ROUTE", "STATE", "FOR", "LEFT", ">IN FLIGHT", ">REQUESTS", ">FAILED", ">EJECTED", "…LAST ERROR")
	for i := range hosts {
		u := &hosts[i]
		left := ""
		if u.RemainingSeconds > 0 {
			left = since(u.RemainingSeconds)
		}
		t.row(u.Name, u.Route, hostCell(u), since(u.SinceSeconds), left, u.InFlight, u.Requests, count(u.Failures, bad), count(u.Ejections, warn), u.LastError.Class)
	}
	return t
}

// hostCell shows the state of a host as a glyph and a word.
func hostCell(u *adminapi.Upstream) cell {
	switch u.State {
	case "active":
		return cell{"● active", good}
	case "slow_start":
		return cell{fmt.Sprintf("◐ %.0f %%", 100*u.Share), warn}
	case "check_failed":
		return cell{"○ CHECK", bad}
	}
	return cell{"○ EJECTED", bad}
}

// hostsCell says how many hosts of a route get requests.
func hostsCell(r *adminapi.Route) cell {
	in := 0
	for i := range r.Upstreams {
		if s := r.Upstreams[i].State; s == "active" || s == "slow_start" {
			in++
		}
	}
	switch {
	case len(r.Upstreams) == 0:
		return cell{}
	case r.Panic.On:
		return cell{fmt.Sprintf("⚠ %d/%d", in, len(r.Upstreams)), bad}
	case in < len(r.Upstreams):
		return cell{fmt.Sprintf("%d/%d", in, len(r.Upstreams)), warn}
	}
	return cell{text: strconv.Itoa(len(r.Upstreams))}
}
