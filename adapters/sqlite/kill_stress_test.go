package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/adapters/sqlite"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/internal/testkit"
)

// childDir names the variable that makes the test binary the process to be killed.
const childDir = "FOUNDATION_TEST_STORAGE_DIR"

const killedWriters = 16

var old = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// beKilled appends until it is killed, and writes a line for every batch that was
// acknowledged: the id of its first event.
func beKilled(dir string) {
	s, err := sqlite.Open(context.Background(), dir, sqlite.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for range killedWriters {
		go func() {
			for {
				batch := batchOf(rand.IntN(3) + 1)
				if _, err := s.Events().Append(context.Background(), batch...); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				if _, err := os.Stdout.WriteString(batch[0].ID + "\n"); err != nil {
					os.Exit(1)
				}
			}
		}()
	}
	go func() { // what is pruned was never acknowledged to stay
		for {
			if _, err := s.Events().Prune(context.Background(), eventstore.Retention{Before: old}); err != nil {
				os.Exit(1)
			}
			if _, err := s.Events().Append(context.Background(), eventstore.Event{Type: "old", Time: old.Add(-time.Hour)}); err != nil {
				os.Exit(1)
			}
		}
	}()
	select {}
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

func TestNothingAcknowledgedIsLostToAKill(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for range testkit.Rounds(5) {
		n := killAfter(t, dir, rand.IntN(400), acknowledged)
		check(t, dir, acknowledged)
		t.Logf("killed after %d batches of %d", n, len(acknowledged))
		if t.Failed() {
			return
		}
	}
}

// killAfter starts the child and kills it once it has acknowledged so many batches.
func killAfter(t *testing.T, dir string, batches int, acknowledged map[string]bool) (n int) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n') // what has no end was not acknowledged
		if err != nil {
			break
		}
		acknowledged[strings.TrimSpace(line)] = true
		if n++; n == batches+1 {
			if err := child.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	_ = child.Wait() // it says that the child was killed
	if n <= batches {
		t.Errorf("the child ended by itself after %d batches", n)
	}
	return n
}

func check(t *testing.T, dir string, acknowledged map[string]bool) {
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
	batches, total, last := map[string][]string{}, 0, uint64(0)
	for q := (eventstore.Query{Limit: eventstore.MaxLimit}); ; {
		page, err := s.Events().Find(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			total++
			if e.Seq <= last {
				t.Errorf("seq %d after %d", e.Seq, last)
			}
			last = e.Seq
			if e.Type == "old" {
				continue
			}
			batches[e.Correlation] = append(batches[e.Correlation], e.Name)
			if !strings.HasPrefix(string(e.Data), `{"id":"`+e.ID+`"`) || !strings.HasSuffix(string(e.Data), `"}`) {
				t.Errorf("event %s holds %s", e.ID, e.Data)
			}
		}
		if q.After = page.Next; !page.More {
			break
		}
	}
	for id := range acknowledged {
		if batches[id] == nil {
			t.Errorf("batch %s was acknowledged and is lost", id)
		}
	}
	for id, names := range batches {
		for i, name := range names {
			if want := fmt.Sprintf("%d/%d", i, len(names)); name != want {
				t.Errorf("batch %s: event %s in place of %s: stored in part", id, name, want)
			}
		}
	}
	if n := count(t, s); n != total {
		t.Errorf("%d events are counted, %d are there", n, total)
	}
	if bad, err := s.Int(t.Context(), "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"); err != nil || bad > 0 {
		t.Errorf("%d damages, %v", bad, err)
	}
}
