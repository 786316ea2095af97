package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

const (
	// heartbeat is how often a stream on which nothing happens says that it is there.
	heartbeat = 15 * time.Second
	// streamPatience is how long a client may take to read what was written.
	streamPatience = 30 * time.Second
)

// streamEvents answers with events as they come (server-sent events), until the client
// leaves. Nothing is queued for it: a slow client is behind in the store and not in the
// memory of the daemon.
func (a *api) streamEvents(w http.ResponseWriter, r *http.Request) {
	release, err := a.turns.follow(actorOf(r.Context()))
	if err != nil {
		writeError(w, err)
		return
	}
	defer release()
	feed, q, err := a.follow(r)
	if err != nil {
		writeError(w, err)
		return
	}
	s := &stream{w: w, control: http.NewResponseController(w)}
	if s.begin() != nil {
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	var tail sync.WaitGroup
	defer tail.Wait()
	defer cancel()
	events := make(chan tailed)
	tail.Go(func() { pass(ctx, feed, q, events) })
	s.run(ctx, events, a.ended)
}

// follow reads where a stream begins: after the event that the client saw last, at a
// time, or now.
func (a *api) follow(r *http.Request) (*eventstore.Feed, eventstore.Query, error) {
	q, err := readQuery(r, streamParameters)
	if err != nil {
		return nil, q, err
	}
	feed, err := a.feed()
	if err != nil {
		return nil, q, err
	}
	stats, err := feed.Stats(r.Context())
	if err != nil {
		return nil, q, err
	}
	begins := r.URL.Query().Has("after") || !q.Since.IsZero()
	if last := r.Header.Get("Last-Event-ID"); last != "" { // a browser that comes back repeats the rest, too
		begins = true
		if q.After, err = strconv.ParseUint(last, 10, 64); err != nil {
			return nil, q, refuse(fault.InvalidArgument, "Last-Event-ID must be the id of an event of this stream, which is a number")
		}
	}
	switch {
	case !begins:
		q.After = stats.Newest
	case q.After > stats.Newest: // the store has begun anew since
		q.After = 0
	}
	return feed, q, nil
}

// tailed is an event, or why there are no more.
type tailed struct {
	event eventstore.Event
	err   error
}

func pass(ctx context.Context, feed *eventstore.Feed, q eventstore.Query, to chan<- tailed) {
	defer close(to)
	for e, err := range feed.Tail(ctx, q) {
		select {
		case to <- tailed{e, err}:
		case <-ctx.Done():
			return
		}
	}
}

// stream writes server-sent events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// begin sends the header, and lifts the bound on the time of the whole request.
func (s *stream) begin() error {
	if err := s.control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	s.w.Header().Set("Content-Type", "text/event-stream")
	s.w.Header().Set("Cache-Control", "no-store")
	s.w.Header().Set("X-Content-Type-Options", "nosniff")
	return s.write([]byte(": events follow\n\n"))
}

func (s *stream) run(ctx context.Context, events <-chan tailed, ended <-chan struct{}) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-ended:
			return
		case <-beat.C:
			err = s.write([]byte(": still here\n\n"))
		case t, more := <-events:
			if !more {
				return
			}
			err = s.send(t)
		}
		if err != nil {
			return
		}
	}
}

// errEnded ends a stream whose client was told why.
var errEnded = errors.New("the stream has ended")

func (s *stream) send(t tailed) error {
	if t.err != nil {
		if raw, err := json.Marshal(problemOf(t.err)); err == nil && !errors.Is(t.err, fault.Canceled) {
			_ = s.write(fmt.Appendf(nil, "event: problem\ndata: %s\n\n", raw)) // it ends either way
		}
		return errEnded
	}
	raw, err := json.Marshal(eventView(&t.event))
	if err != nil {
		return err
	}
	return s.write(fmt.Appendf(nil, "id: %d\ndata: %s\n\n", t.event.Seq, bytes.ReplaceAll(raw, []byte("\n"), nil)))
}

func (s *stream) write(text []byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(streamPatience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write(text); err != nil {
		return err
	}
	return s.control.Flush()
}
