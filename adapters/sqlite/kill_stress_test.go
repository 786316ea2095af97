package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/adapters/sqlite"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/registry"
)

// childDir names the variable that makes the test binary the process to be killed.
const childDir = "FOUNDATION_TEST_STORAGE_DIR"

const killedWriters = 16

var kills = flag.Int("kills", 100, "how often the kill loop kills its child")

var old = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// beKilled is a layer whose record is in dir, until it is killed: it appends events,
// changes its configuration, and writes a line for all that was acknowledged: "e" and the
// id of a batch's first event, "c" and a revision and its limit; "r" first, and the
// revision that the start has restored.
func beKilled(dir string) {
	fnd, err := openLayer(dir)
	die(err)
	now := fnd.Config().Current()
	tell("r", now.Number, limitOf(now.Config))
	feed, err := registry.Lookup[*eventstore.Feed](fnd.Registry(), "foundation", "events")
	die(err)
	for range killedWriters {
		go func() {
			for {
				batch := batchOf(rand.IntN(3) + 1)
				_, err := feed.Append(context.Background(), batch...)
				die(err)
				tell("e", batch[0].ID)
			}
		}()
	}
	go func() { // what is pruned was never acknowledged to stay
		for {
			_, err := feed.Prune(context.Background(), eventstore.Retention{Before: old})
			die(err)
			_, err = feed.Append(context.Background(), eventstore.Event{Type: "old", Time: old.Add(-time.Hour)})
			die(err)
		}
	}()
	reconfigure(fnd.Config())
}

func openLayer(dir string) (*foundation.Foundation, error) {
	file := dir + ".yaml" // beside the directory, which is the storage's own
	text := "version: 1\nstorage: { path: " + dir + " }\nrate_limits: { all: { limit: 1, burst: 1, per: 1h } }\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return foundation.Open(context.Background(), foundation.Options{ConfigFile: file, Stores: map[string]foundation.Store{
		"path": func(ctx context.Context, place string) (foundation.Storage, error) {
			s, err := sqlite.Open(ctx, place, sqlite.Options{})
			if err != nil {
				return foundation.Storage{}, err
			}
			return foundation.Storage{Events: s.Events(), History: s.History(), Close: s.Close}, nil
		},
	}})
}

// reconfigure changes two values that belong together, again and again, and is refused
// now and then.
func reconfigure(server *config.Server) {
	for n := limitOf(server.Current().Config) + 1; ; n++ {
		patch := fmt.Appendf(nil, `{"rate_limits": {"all": {"limit": %d, "burst": %d}}}`, n, n)
		applied, err := server.Patch(context.Background(), patch, config.By{Actor: "test", Reason: strconv.FormatInt(n, 10), API: true})
		die(err)
		tell("c", applied.Revision, n)
		if n%8 == 0 {
			_, err := server.Patch(context.Background(), []byte(`{"rate_limits": {"all": {"limit": "many"}}}`), config.By{Actor: "test", API: true})
			if err == nil {
				die(errors.New("a limit of many was accepted"))
			}
		}
	}
}

func limitOf(c *config.Config) int64 { return c.RateLimits["all"].Limit }

func die(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// tell writes a line whole: it is shorter than what a pipe takes at once.
func tell(words ...any) {
	line := fmt.Sprintln(words...)
	_, err := os.Stdout.WriteString(line)
	die(err)
}

// batchOf returns events that tell of one another: a batch can be checked from any.
func batchOf(n int) []eventstore.Event {
	events := make([]eventstore.Event, n)
	first := eventstore.NewID()
	for i := range events {
		id := first
		if i > 0 {
			id = eventstore.NewID()
		}
		events[i] = eventstore.Event{
			ID: id, Type: "x", Correlation: first, Name: fmt.Sprintf("%d/%d", i, n),
			Data: fmt.Appendf(nil, `{"id":%q,"fill":%q}`, id, strings.Repeat(id, rand.IntN(20))),
		}
	}
	return events
}

// acknowledged is what the children were told to be durable.
type acknowledged struct {
	batches   map[string]bool // by the id of the first event; true once it was found
	revisions map[uint64]int64
	read      map[string]int64 // the limit in each document that was read
	newest    uint64           // of revisions
	seen      uint64           // the seq up to which the events were checked
	total     int              // events up to it
}

func TestNothingAcknowledgedIsLostToAKill(t *testing.T) {
	dir, program := filepath.Join(t.TempDir(), "data"), childProgram(t)
	all := &acknowledged{batches: map[string]bool{}, revisions: map[uint64]int64{}, read: map[string]int64{}}
	for round := range testkit.Rounds(*kills) {
		killAfter(t, program, dir, rand.IntN(200), all)
		all.check(t, dir, round%20 == 0)
		if t.Failed() {
			return
		}
	}
	all.seen, all.total = 0, 0 // and once more from the beginning
	for id := range all.batches {
		all.batches[id] = false
	}
	all.check(t, dir, true)
	t.Logf("%d events, %d revisions", all.total, len(all.revisions))
}

// childProgram builds this test without the race detector, which makes SQLite many times
// as slow: what is looked for here is on the disk.
func childProgram(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "child.test")
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go test -c: %v\n%s", err, out)
	}
	return program
}

// killAfter starts the child and kills it once so much was acknowledged.
func killAfter(t *testing.T, program, dir string, lines int, all *acknowledged) {
	t.Helper()
	child := exec.CommandContext(t.Context(), program)
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for in := bufio.NewReader(out); ; {
		line, err := in.ReadString('\n') // what has no end was not acknowledged
		if err != nil {
			break
		}
		all.note(t, strings.Fields(line))
		if n++; n == lines+1 {
			if err := child.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	_ = child.Wait() // it says that the child was killed
	if n <= lines {
		t.Errorf("the child ended by itself after %d lines", n)
	}
}

// note takes a line of a child.
func (a *acknowledged) note(t *testing.T, words []string) {
	t.Helper()
	if words[0] == "e" {
		a.batches[words[1]] = false
		return
	}
	revision, err := strconv.ParseUint(words[1], 10, 64)
	limit, invalid := strconv.ParseInt(words[2], 10, 64)
	if err != nil || invalid != nil {
		t.Fatal(words)
	}
	if was, known := a.revisions[revision]; known && was != limit || revision < a.newest {
		t.Errorf("%v after revision %d with the limit %d", words, a.newest, a.revisions[a.newest])
	}
	a.newest, a.revisions[revision] = revision, limit
}

// check looks at what is stored: new events, the history, and every page of the file.
func (a *acknowledged) check(t *testing.T, dir string, pages bool) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	a.checkEvents(t, s)
	a.checkHistory(t, s.History())
	if !pages {
		return
	}
	if bad, err := s.Int(t.Context(), "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"); err != nil || bad > 0 {
		t.Errorf("%d damages, %v", bad, err)
	}
}

func (a *acknowledged) checkEvents(t *testing.T, s *sqlite.Storage) {
	t.Helper()
	batches := map[string][]string{}
	for q := (eventstore.Query{Limit: eventstore.MaxLimit, After: a.seen}); ; {
		page, err := s.Events().Find(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			if e.Seq <= a.seen {
				t.Errorf("seq %d after %d", e.Seq, a.seen)
			}
			a.seen = e.Seq
			if e.Type != "x" { // of the layer itself
				continue
			}
			a.total++
			batches[e.Correlation] = append(batches[e.Correlation], e.Name)
			if !strings.HasPrefix(string(e.Data), `{"id":"`+e.ID+`"`) || !strings.HasSuffix(string(e.Data), `"}`) {
				t.Errorf("event %s holds %s", e.ID, e.Data)
			}
		}
		if q.After = page.Next; !page.More {
			break
		}
	}
	for id, names := range batches {
		a.batches[id] = true
		for i, name := range names {
			if want := fmt.Sprintf("%d/%d", i, len(names)); name != want {
				t.Errorf("batch %s: event %s in place of %s: stored in part", id, name, want)
			}
		}
	}
	for id, found := range a.batches {
		if !found {
			t.Errorf("batch %s was acknowledged and is lost", id)
		}
	}
	if n, err := s.Int(t.Context(), "SELECT count(*) FROM events"); err != nil || n != int64(count(t, s)) {
		t.Errorf("%d events are counted, %d are there, %v", count(t, s), n, err)
	}
}

// limitOfRecord reads a record, whose parts belong together.
func limitOfRecord(t *testing.T, r config.Record) int64 {
	t.Helper()
	c, err := config.Parse("record", []byte(r.Text), config.ParseOptions{})
	if err != nil {
		t.Fatalf("revision %d cannot be read: %v\n%s", r.Revision, err, r.Text)
	}
	limit := limitOf(c)
	if c.RateLimits["all"].Burst != limit || limit > 1 && r.Reason != strconv.FormatInt(limit, 10) {
		t.Errorf("revision %d is half-written: %+v", r.Revision, r)
	}
	return limit
}

func (a *acknowledged) checkHistory(t *testing.T, h config.History) {
	t.Helper()
	records, err := h.List(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	applied := map[uint64]int64{}
	oldest := uint64(math.MaxUint64)
	for _, r := range records {
		if r.Outcome != config.OutcomeApplied {
			continue
		}
		limit, read := a.read[r.Text]
		if !read {
			limit = limitOfRecord(t, r)
			a.read[r.Text] = limit
		}
		if _, twice := applied[r.Revision]; twice {
			t.Errorf("revision %d is there twice", r.Revision)
		}
		applied[r.Revision], oldest = limit, min(oldest, r.Revision)
	}
	for revision, limit := range a.revisions {
		if got, ok := applied[revision]; revision >= oldest && (!ok || got != limit) {
			t.Errorf("revision %d was acknowledged with the limit %d; there is %d, %v", revision, limit, got, ok)
		}
	}
	if len(applied) > config.HistoryKept || a.newest > 0 && oldest > 1 && len(applied) != config.HistoryKept {
		t.Errorf("%d applied records, from %d on", len(applied), oldest)
	}
}
