package scan_test

import (
	"testing"

	"github.com/elixirscope/foundation/adapters/internal/scan"
	"github.com/elixirscope/foundation/eventstore"
)

func TestStretch(t *testing.T) {
	const up, down = eventstore.Ascending, eventstore.Descending
	for _, c := range []struct {
		name           string
		order          eventstore.Order
		after          uint64
		oldest, newest uint64
		want           uint64
	}{
		{"nothing is stored", up, 0, 0, 0, 0},
		{"nothing is stored, from the newest", down, 0, 0, 0, 0},
		{"all of it", up, 0, 1, scan.Most, 0},
		{"one too many", up, 0, 1, scan.Most + 1, scan.Most},
		{"behind what was pruned", up, 0, 1_000_001, 1_000_000 + scan.Most, 0},
		{"behind what was pruned, one too many", up, 7, 1_000_001, 1_000_001 + scan.Most, 1_000_000 + scan.Most},
		{"continued", up, scan.Most, 1, 3 * scan.Most, 2 * scan.Most},
		{"the last stretch", up, 2 * scan.Most, 1, 3 * scan.Most, 0},
		{"behind the end", up, 9 * scan.Most, 1, 3 * scan.Most, 0},
		{"all of it, from the newest", down, 0, 1, scan.Most, 0},
		{"one too many, from the newest", down, 0, 1, scan.Most + 1, 2},
		{"continued, from the newest", down, 2*scan.Most + 2, 1, 3 * scan.Most, scan.Most + 2},
		{"the last stretch, from the newest", down, scan.Most + 1, 1, 3 * scan.Most, 0},
		{"a cursor that is not reached yet", down, 9 * scan.Most, 1, 2 * scan.Most, scan.Most + 1},
		{"before the oldest", down, 5, 9, 3 * scan.Most, 0},
	} {
		if got := scan.Stretch(&eventstore.Query{Order: c.order, After: c.after}, c.oldest, c.newest); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestNearEnd(t *testing.T) {
	for _, c := range []struct {
		q      eventstore.Query
		newest uint64
		want   bool
	}{
		{eventstore.Query{}, 5, false},
		{eventstore.Query{After: 5}, 5, true},
		{eventstore.Query{After: 9}, 5, true},
		{eventstore.Query{After: 1}, scan.Few, true},
		{eventstore.Query{After: 1}, scan.Few + 1, false},
		{eventstore.Query{After: 5, Order: eventstore.Descending}, 5, false},
	} {
		if got := scan.NearEnd(&c.q, c.newest); got != c.want {
			t.Errorf("after %d of %d: %v", c.q.After, c.newest, got)
		}
	}
}
