package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// routeTable shows each route in two lines: what it did in the last minute, and since the start.
func routeTable(routes []adminapi.Route) *table {
	t := newTable("NAME", "TIME", "HOSTS", ">REQUESTS", ">1XX", ">2XX", ">3XX", ">4XX", ">5XX", ">LEFT", ">IN FLIGHT", ">BYTES IN", ">BYTES OUT", ">CUT", ">UNREAD", "REFUSED BY", "FAILED")
	for i := range routes {
		r := &routes[i]
		if r.Recent.Source == "minute" {
			routeRow(t, r.Name, "last "+since(r.Recent.WindowSeconds), cell{}, r.Recent.Requests, r.InFlight, "", "", "", "", listed(r.Recent.RefusedBy), listed(r.Recent.FailedBy))
		}
		failed := map[string]uint64{}
		for _, f := range r.Failures {
			failed[f.Class] += f.Count
		}
		cut := uint64(0)
		for _, n := range r.CutBy {
			cut += n
		}
		routeRow(t, r.Name, "since the start", hostsCell(r), r.Requests, r.InFlight, byteText(int64(r.BytesIn)), byteText(int64(r.BytesOut)), count(cut, warn), count(r.NotReading, warn), listed(r.RefusedBy), listed(failed))
	}
	return t
}

func routeRow(t *table, name, span string, hosts cell, requests map[string]uint64, more ...any) {
	all := uint64(0)
	for _, n := range requests {
		all += n
	}
	t.row(append([]any{
		name, span, hosts, all, requests["1xx"], requests["2xx"], requests["3xx"], requests["4xx"], count(requests["5xx"], bad), count(requests["canceled"], warn),
	}, more...)...)
}

// listed lists what there was, the most frequent first.
func listed(by map[string]uint64) string {
	keys := slices.SortedFunc(maps.Keys(by), func(x, y string) int { return cmp.Or(cmp.Compare(by[y], by[x]), cmp.Compare(x, y)) })
	var parts []string
	for _, key := range keys {
		if by[key] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", key, by[key]))
		}
	}
	return strings.Join(parts, ", ")
}
