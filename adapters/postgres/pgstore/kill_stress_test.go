package pgstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/adapters/postgres/pgstore"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/pgtest"
	"github.com/elixirscope/foundation/internal/testkit"
)

// childDSN and childSchema name the variables that make the test binary another
// process that appends.
const (
	childDSN    = "FOUNDATION_TEST_STORAGE_DSN"
	childSchema = "FOUNDATION_TEST_STORAGE_SCHEMA"
)

const appenders = 16

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

// checkBatches holds the stored events to what batchOf made of them, and returns the
// batches.
func checkBatches(t *testing.T, events []eventstore.Event) map[string]int {
	t.Helper()
	batches, last := map[string][]string{}, uint64(0)
	for _, e := range events {
		if e.Seq <= last {
			t.Errorf("seq %d after %d", e.Seq, last)
		}
		last = e.Seq
		batches[e.Correlation] = append(batches[e.Correlation], e.Name)
		if !strings.HasPrefix(string(e.Data), `{"id":"`+e.ID+`"`) || !strings.HasSuffix(string(e.Data), `"}`) {
			t.Errorf("event %s holds %s", e.ID, e.Data)
		}
	}
	whole := map[string]int{}
	for id, names := range batches {
		whole[id] = len(names)
		for i, name := range names {
			if want := fmt.Sprintf("%d/%d", i, len(names)); name != want {
				t.Errorf("batch %s: event %s in place of %s: stored in part or twice", id, name, want)
			}
		}
	}
	return whole
}

// The server is killed under 16 appenders, which repeat what was not acknowledged: in
// the end each batch is there, whole and once.
func TestNothingAcknowledgedIsLostToAKillOfTheServer(t *testing.T) {
	s := server(t)
	opened := open(t, s.DSN(), fresh())
	var acknowledged sync.Map
	var total, unavailable atomic.Int64
	stop, ended := make(chan struct{}), make(chan struct{})
	progress := make(chan struct{}, 1) // holds one element since the last acknowledgement that was looked at
	var wg sync.WaitGroup
	for range appenders {
		wg.Go(func() {
			for {
				batch := batchOf(rand.IntN(3) + 1)
				if !persist(t, opened, batch, &unavailable, stop) {
					return
				}
				acknowledged.Store(batch[0].ID, len(batch))
				total.Add(1)
				select {
				case progress <- struct{}{}:
				default:
				}
			}
		})
	}
	go func() { wg.Wait(); close(ended) }()
	for range testkit.Rounds(3) {
		for from := total.Load(); total.Load() < from+200; {
			select {
			case <-progress:
			case <-ended:
				t.Fatal("no appender is left")
			}
		}
		s.Kill()
		pgtest.Restart(t, s)
	}
	close(stop)
	<-ended
	batches := checkBatches(t, all(t, opened))
	acknowledged.Range(func(id, size any) bool {
		if key, ok := id.(string); !ok || batches[key] != size {
			t.Errorf("batch %s of %d was acknowledged, %d of it are there", id, size, batches[key])
		}
		return true
	})
	if unavailable.Load() == 0 {
		t.Error("nobody noticed the kill")
	}
	t.Logf("%d batches acknowledged, %d attempts met no server", total.Load(), unavailable.Load())
}

// persist appends a batch until it is stored, and returns false when told to stop.
func persist(t *testing.T, s *pgstore.Storage, batch []eventstore.Event, unavailable *atomic.Int64, stop chan struct{}) bool {
	for {
		_, err := s.Events().Append(context.Background(), batch...)
		switch {
		case err == nil || errors.Is(err, fault.AlreadyExists):
			select {
			case <-stop:
				return false
			default:
				return true
			}
		case !errors.Is(err, fault.Unavailable):
			t.Errorf("append: %v", err)
			return false
		}
		unavailable.Add(1)
		select {
		case <-stop:
			return false
		case <-time.After(time.Millisecond):
		}
	}
}

// keepAppending is the other process. It writes a line for every batch that was
// acknowledged, and appends until it is killed.
func keepAppending(dsn string) {
	s, err := pgstore.Open(context.Background(), dsn, pgstore.Options{Schema: os.Getenv(childSchema)})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for range appenders {
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
	select {}
}

// Two processes append at once, and are killed. A reader that follows the numbers has
// seen in the end exactly what is stored, and all that was acknowledged.
func TestTwoProcesses(t *testing.T) {
	s, o := server(t), fresh()
	opened := open(t, s.DSN(), o)
	lines := make(chan string, 1<<16)
	var children sync.WaitGroup
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	for range 2 {
		children.Go(func() { runChild(ctx, t, s.DSN()+"&application_name="+o.Schema, o.Schema, lines) })
	}
	var followed []eventstore.Event
	follow := func(q eventstore.Query) uint64 {
		page, err := opened.Events().Find(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		followed = append(followed, page.Events...)
		return page.Next
	}
	q := eventstore.Query{Limit: 100}
	for len(lines) < 2000 && !t.Failed() {
		q.After = follow(q)
	}
	kill()
	children.Wait()
	close(lines)
	for sessions := ""; sessions != "0"; { // the server still does what it was told last
		var err error
		if sessions, err = opened.Text(t.Context(), "SELECT count(*)::text FROM pg_stat_activity WHERE application_name = '"+o.Schema+"'"); err != nil {
			t.Fatal(err)
		}
	}
	for before := -1; before != len(followed); {
		before = len(followed)
		q.After = follow(q)
	}
	stored := all(t, opened)
	if len(stored) != len(followed) {
		t.Errorf("%d events are stored, %d were seen by the reader", len(stored), len(followed))
	}
	batches := checkBatches(t, followed)
	for id := range lines {
		if batches[id] == 0 {
			t.Errorf("batch %s was acknowledged and not seen", id)
		}
	}
	if st, err := opened.Events().Stats(t.Context()); err != nil || st.Events != len(stored) || st.Newest != q.After {
		t.Errorf("%+v, %v; the reader stands at %d with %d", st, err, q.After, len(stored))
	}
}

// runChild runs the other process until ctx ends, which kills it.
func runChild(ctx context.Context, t *testing.T, dsn, schema string, lines chan<- string) {
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(os.Environ(), childDSN+"="+dsn, childSchema+"="+schema)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Error(err)
		return
	}
	if err := child.Start(); err != nil {
		t.Error(err)
		return
	}
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n') // what has no end was not acknowledged
		if err != nil {
			break
		}
		lines <- strings.TrimSpace(line)
	}
	_ = child.Wait() // it says that the child was killed
	if ctx.Err() == nil {
		t.Error("the child ended by itself")
	}
}
