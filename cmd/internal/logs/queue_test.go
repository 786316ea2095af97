package logs_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/logs"
)

// reader is the far end of a log: it can stall, and it can be gone.
type reader struct {
	stalled chan struct{} // closed when it reads again; nil: it does not stall

	mu      sync.Mutex // guards the fields below
	text    strings.Builder
	gone    bool
	partial int // bytes that are taken before an error
}

func (r *reader) Write(p []byte) (int, error) {
	if r.stalled != nil {
		<-r.stalled
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		n := min(r.partial, len(p))
		r.partial -= n
		r.text.Write(p[:n])
		return n, errors.New("broken pipe")
	}
	return r.text.Write(p)
}

func (r *reader) set(gone bool, partial int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone, r.partial = gone, partial
}

func (r *reader) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Split(strings.TrimSuffix(r.text.String(), "\n"), "\n")
}

// form writes the message, and the number of lines of a notice.
func form(w io.Writer) slog.Handler {
	return slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelError, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}})
}

func write(t *testing.T, q *logs.Queue, line string) {
	t.Helper()
	if n, err := q.Write([]byte(line)); n != len(line) || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
}

// lineBytes leaves some room beside the last line that the queue holds.
const lineBytes = 1000

func numbered(i int) string { return fmt.Sprintf("%04d%s\n", i, strings.Repeat("x", lineBytes-5)) }

func TestQueue_AStalledReaderStopsNobodyAndLearnsWhatItMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{stalled: make(chan struct{})}
		q := logs.NewQueue(r, form)
		write(t, q, numbered(0))
		synctest.Wait() // the first line is on its way
		const room, more = logs.MaxQueued / lineBytes, 500
		for i := 1; i <= room+more; i++ {
			write(t, q, numbered(i))
		}
		write(t, q, "short\n") // would fit, and would stand before the notice
		if got := q.Dropped(); got != more+1 {
			t.Errorf("%d dropped, want %d", got, more+1)
		}
		close(r.stalled)
		synctest.Wait()
		write(t, q, "after\n")
		if !q.Close(time.Second) {
			t.Error("not everything was written")
		}
		got := r.lines()
		if len(got) != room+3 {
			t.Fatalf("%d lines", len(got))
		}
		for i := range room + 1 {
			if got[i]+"\n" != numbered(i) {
				t.Fatalf("line %d is %.10s", i, got[i])
			}
		}
		if got[room+1] != `msg="log lines were dropped" lines=501` || got[room+2] != "after" {
			t.Errorf("%q", got[room+1:])
		}
	})
}

func TestQueue_AReaderThatLeftIsToldWhenItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		q := logs.NewQueue(r, form)
		write(t, q, "one\n")
		synctest.Wait()
		r.set(true, len("two\nth"))
		write(t, q, "two\nthree\nfour\n")
		synctest.Wait()
		write(t, q, "five\n")
		synctest.Wait()
		if got := q.Dropped(); got != 3 {
			t.Errorf("%d dropped, want 3", got)
		}
		r.set(false, 0)
		write(t, q, "six\n")
		q.Close(time.Second)
		want := []string{"one", "two", `thmsg="log lines were dropped" lines=3`, "six"}
		if got := r.lines(); strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

func TestQueue_CloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{stalled: make(chan struct{})}
		q := logs.NewQueue(r, form)
		write(t, q, "stuck\n")
		began := time.Now()
		if q.Close(3 * time.Second) {
			t.Error("a line that was not written counts as written")
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("it took %v", took)
		}
		write(t, q, "late\n")
		if q.Dropped() != 1 {
			t.Errorf("%d dropped", q.Dropped())
		}
		close(r.stalled)
	})
}

func TestQueue_LastLinesAreWrittenAtTheEnd(t *testing.T) {
	r := &reader{}
	q := logs.NewQueue(r, form)
	log := slog.New(q.Handler())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				log.Error("line")
			}
		})
	}
	wg.Wait()
	log.Error("last")
	if !q.Close(time.Minute) || q.Dropped() != 0 {
		t.Errorf("%d dropped", q.Dropped())
	}
	if got := r.lines(); len(got) != 801 || got[800] != "msg=last" {
		t.Errorf("%d lines, the last is %q", len(got), got[len(got)-1])
	}
}
