package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// historyTimeout bounds each use of the history: no change waits longer for it.
const historyTimeout = 5 * time.Second

// recorder writes records to the history, and holds them back while it is away.
type recorder struct {
	history History
	log     *slog.Logger
	wake    chan struct{} // holds one token: the history has gone away

	mu      sync.Mutex // guards the fields below; the history is not called under it
	away    error      // why records wait; nil while the history is in reach
	since   time.Time
	unread  bool // the history could not be read at the start
	waiting []Record
	bytes   int    // of waiting
	held    uint64 // counts what has waited; the Seq of records in waiting
	lost    uint64 // records that were dropped from waiting
}

func (r *recorder) init(h History, log *slog.Logger) {
	r.log, r.wake = log, make(chan struct{}, 1)
	r.use(h)
}

// use makes h the history; nil stands for one that ends with the process.
func (r *recorder) use(h History) {
	if r.history = h; h == nil {
		r.history = NewMemoryHistory()
	}
}

// last returns the newest applied record, or a zero one if there is none. One after
// which a refusal says that an earlier revision stayed in force was never in force
// itself: it was written although the history reported an error.
func (r *recorder) last(ctx context.Context) (Record, error) {
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	const page = 20
	stayed := uint64(math.MaxUint64)
	for before, more := uint64(0), true; more; {
		records, err := r.history.List(ctx, before, page)
		if err != nil {
			return Record{}, err
		}
		for _, record := range records {
			switch {
			case record.Outcome != OutcomeApplied:
				stayed = min(stayed, record.Revision)
			case record.Revision <= stayed:
				return record, nil
			}
			before = record.Seq
		}
		more = len(records) == page
	}
	return Record{}, nil
}

// add records what has happened, later if the history is away. must refuses that.
// REQUIRES: the turn of the server, which keeps records in their order.
func (r *recorder) add(ctx context.Context, record Record, must bool) error {
	err := r.unreachable()
	if err == nil {
		// The caller's giving up does not end the writing: nobody would know how it ended.
		if err = r.write(context.WithoutCancel(ctx), record); err != nil {
			r.lose(err, false)
		}
	}
	switch {
	case err == nil:
		return nil
	case must:
		return unrecorded(err)
	}
	r.hold(record)
	return nil
}

func (r *recorder) write(ctx context.Context, record Record) error {
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	return r.history.Add(ctx, record)
}

// reachable refuses changes that must be recorded while the history is away.
func (r *recorder) reachable() error {
	if err := r.unreachable(); err != nil {
		return unrecorded(err)
	}
	return nil
}

// unreachable returns why the history is away, or nil.
func (r *recorder) unreachable() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.away
}

// lose notes that the history is away.
func (r *recorder) lose(err error, unread bool) {
	r.mu.Lock()
	first := r.away == nil
	if r.away = err; first {
		r.since = time.Now()
	}
	r.unread = r.unread || unread
	r.mu.Unlock()
	if first {
		r.log.Error("the history of the configuration is away: changes are recorded later, those through the API are refused", slog.String("error", err.Error()))
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// hold keeps a record until the history is back. Beyond the bound of a history the
// oldest refused ones make room, and then the oldest of all.
func (r *recorder) hold(record Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held++
	record.Seq = r.held
	r.waiting = append(r.waiting, record)
	r.bytes += record.size()
	for len(r.waiting) > 1 && (len(r.waiting) > HistoryKept || r.bytes > historyBytes) {
		refused := slices.IndexFunc(r.waiting, func(r Record) bool { return r.Outcome == OutcomeRefused })
		r.drop(max(refused, 0))
		r.lost++
	}
}

// drop REQUIRES: r.mu.
func (r *recorder) drop(i int) {
	r.bytes -= r.waiting[i].size()
	r.waiting = slices.Delete(r.waiting, i, i+1)
}

// flush writes what waits, the oldest first, until nothing does.
func (r *recorder) flush(ctx context.Context) error {
	for {
		record, ok := r.oldest()
		if !ok {
			return nil
		}
		if err := r.write(ctx, record); err != nil {
			r.lose(err, false)
			return err
		}
		r.wrote(record)
	}
}

func (r *recorder) oldest() (Record, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return Record{}, false
	}
	return r.waiting[0], true
}

// wrote removes a record that was written, if it has not made room for another.
func (r *recorder) wrote(record Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) > 0 && r.waiting[0].Seq == record.Seq {
		r.drop(0)
	}
}

// back notes that the history is in reach again, unless something waits for it.
// REQUIRES: the turn of the server.
func (r *recorder) back() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) > 0 {
		return false
	}
	if r.away != nil {
		r.log.Info("the history of the configuration is back", slog.Uint64("lost", r.lost))
	}
	r.away, r.unread = nil, false
	return true
}

func (r *recorder) isUnread() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.unread
}

// read makes the records that wait follow those of a history that was read at last:
// their numbers begin behind last.Revision, and a restart restores what is pending.
func (r *recorder) read(last Record, pending drift) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unread = false
	for i := range r.waiting {
		r.waiting[i].Revision += last.Revision
		if pending.revision > 0 {
			r.bytes -= r.waiting[i].size()
			pending.note(&r.waiting[i])
			r.bytes += r.waiting[i].size()
		}
	}
}

// allOn reports whether all that waits was made on one document of the file.
func (r *recorder) allOn(fileHash string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !slices.ContainsFunc(r.waiting, func(w Record) bool { return w.Outcome == OutcomeApplied && w.FileHash != fileHash })
}

// written drops the first record that waits if it is the last of the history: it was
// written although the history reported an error.
func (r *recorder) written(last Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return
	}
	if w := r.waiting[0]; w.Outcome == OutcomeApplied && w.Revision == last.Revision && w.Hash == last.Hash && w.Source == last.Source {
		r.drop(0)
	}
}

// attention says what is wrong with the history, or "".
func (r *recorder) attention() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var text string
	if r.away != nil {
		text = fmt.Sprintf("the history is away since %s (%v): %s, changes through the API are refused",
			r.since.UTC().Format(time.RFC3339), r.away, counted(len(r.waiting), "1 record waits", "%d records wait"))
	}
	if r.lost > 0 {
		if text != "" {
			text += "; "
		}
		text += counted(int(r.lost), "1 record was lost", "%d records were lost") + ", because more waited than there is room for"
	}
	return text
}

func counted(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}

// finish tries once to write what waits.
func (r *recorder) finish() {
	if _, waits := r.oldest(); !waits {
		return
	}
	if r.isUnread() {
		r.log.Error("changes of the configuration were not recorded: the history was away all the time")
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := r.flush(ctx); err != nil {
		r.log.Error("changes of the configuration were not recorded", slog.String("error", err.Error()))
	}
}

// unrecorded refuses a change that the history cannot record.
func unrecorded(cause error) error {
	return fault.New(fault.Spec{
		Code: fault.Unavailable, Component: component, Cause: cause,
		Message: "the history of the configuration cannot be written, so changes through the API are refused: try again, or change the file",
	})
}

// isAway reports whether a history that answers with err may come back by itself.
func isAway(err error) bool {
	f, ok := errors.AsType[*fault.Error](err)
	return ok && f.Code().Retryable() || errors.Is(err, context.DeadlineExceeded)
}
