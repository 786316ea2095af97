package settings_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
)

// manyRoutes is a document with n routes, whose patterns pattern makes.
func manyRoutes(n int, pattern func(i int) string) []byte {
	var b strings.Builder
	b.WriteString("version: 1\ngateway:\n  routes:\n")
	for i := range n {
		fmt.Fprintf(&b, "    - { match: %q, upstream: \"http://127.0.0.1:9000\" }\n", pattern(i))
	}
	return []byte(b.String())
}

// A table of thousands of routes of which half are in conflict was compared pair by pair.
func TestManyRoutesThatConflictAreReportedEachWithItsOther(t *testing.T) {
	const routes, reported = 10_000, 100
	_, err := config.Parse("f.yaml", manyRoutes(routes, func(i int) string { return fmt.Sprintf("/p%d/", i%(routes/2)) }), options)
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		t.Fatal(err)
	}
	problems := f.Problems()
	if want := fmt.Sprintf("and %d more", routes/2-reported); len(problems) != reported+1 || problems[reported].Message != want {
		t.Fatalf("%d problems, the last %+v", len(problems), problems[len(problems)-1])
	}
	for i, p := range problems[:reported] {
		want := fmt.Sprintf("the same pattern as gateway.routes[%d].match at f.yaml:%d:", i, i+4)
		if p.Field != fmt.Sprintf("gateway.routes[%d].match", routes/2+i) || !strings.HasPrefix(p.Message, want) {
			t.Fatalf("problem %d: %+v", i, p)
		}
	}
}

// What a configuration costs while it is read is bounded by its size, also one from the
// network, which is compared with the one in force. Most of it is the tree of the YAML
// library, half a kilobyte for each value; what is allocated is more than what is in use at
// one time, about a quarter of it.
func TestReadingManyRoutesCostsABoundedMultipleOfTheirText(t *testing.T) {
	text := manyRoutes(10_000, func(i int) string { return fmt.Sprintf("/p%d/", i) })
	inForce, err := config.Parse("f.yaml", text, options)
	if err != nil {
		t.Fatal(err)
	}
	over := options
	over.Over = inForce
	for from, o := range map[string]config.ParseOptions{"file": options, "network": over} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c, err := config.Parse("f.yaml", text, o)
		if err != nil {
			t.Fatal(err)
		}
		if changes := config.Diff(inForce, c, options.Sections...); len(changes) > 0 {
			t.Errorf("%s: %v", from, changes)
		}
		runtime.ReadMemStats(&after)
		if times := (after.TotalAlloc - before.TotalAlloc) / uint64(len(text)); times > 130 {
			t.Errorf("%s: %d bytes cost %d times their size", from, len(text), times)
		}
	}
}

// A hundred faults in one line of 4 MiB copied it a hundred times.
func TestFaultsInALongLineCostNoMore(t *testing.T) {
	text := []byte("version: 1\nbreakers: {" + strings.Repeat("a: {}, ", 20_000) + strings.Repeat(" ", 1<<20) + "}\n")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := config.Parse("f.yaml", text, options)
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Fatal("a key may stand there twice")
	}
	if times := (after.TotalAlloc - before.TotalAlloc) / uint64(len(text)); times > 80 {
		t.Errorf("%d bytes cost %d times their size", len(text), times)
	}
}
