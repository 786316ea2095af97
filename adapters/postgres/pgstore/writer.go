package pgstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/elixirscope/foundation/adapters/internal/groupcommit"
)

// alone writes something in a transaction of its own, which the writer opens and commits.
type alone = func(context.Context, *pgx.Conn) error

type request = groupcommit.Request[alone]

// writer owns the connection that writes and the goroutine that uses it.
type writer struct {
	connector

	text statements
	conn *pgx.Conn       // nil if there is none
	life context.Context //nolint:containedctx // ended by stop, of everything that the goroutine does
	end  context.CancelFunc

	queue *groupcommit.Queue[alone]
	done  chan struct{} // closed when the goroutine has ended
}

// startWriter starts the goroutine, to which conn belongs from then on.
func startWriter(c connector, conn *pgx.Conn, text statements) *writer {
	w := &writer{connector: c, conn: conn, text: text, queue: groupcommit.NewQueue[alone](), done: make(chan struct{})}
	w.life, w.end = context.WithCancel(context.Background())
	go w.loop()
	return w
}

// stop lets the writer finish what waits, for as long as one exchange may take, and
// waits for its end.
func (w *writer) stop() {
	w.queue.Close()
	timer := time.AfterFunc(w.timeout, w.end)
	<-w.done
	timer.Stop()
	w.end()
}

// loop writes whatever waits, at once, until the writer is stopped and nothing does.
func (w *writer) loop() {
	defer close(w.done)
	defer w.drop()
	w.queue.Run(w.serve)
}

// serve writes one group. The group is taken only when the transaction holds the lock:
// whoever comes while other processes write joins it, and whoever leaves is not in it.
func (w *writer) serve() {
	last, err := w.begin()
	group := w.queue.Take(nil)
	if err == nil {
		err = w.write(group, last)
	}
	if err != nil {
		w.drop()
	}
	groupcommit.Finish(group, translated(err))
}

// drop closes the connection, which also rolls back: after any error it is not clear
// what state the session is in.
func (w *writer) drop() {
	if w.conn != nil {
		disconnect(w.conn)
		w.conn = nil
	}
}
