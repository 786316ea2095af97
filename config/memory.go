package config

import (
	"context"
	"slices"
	"sync"

	"github.com/elixirscope/foundation/fault"
)

// historyBytes bounds the documents that are kept in memory.
const historyBytes = 32 << 20

// memoryHistory is a [History] that ends with the process.
type memoryHistory struct {
	mu      sync.RWMutex // guards what follows
	records []Record     // ascending by Seq; nothing in them changes any more
	bytes   int
	seq     uint64
	closed  bool
}

// NewMemoryHistory returns a history that ends with the process. It keeps at most
// 32 MiB of documents, and the newest record in any case.
func NewMemoryHistory() History { return &memoryHistory{} }

func (r *Record) size() int { return len(r.Text) + len(r.DriftText) + len(r.Err) }

// Add implements [History].
func (h *memoryHistory) Add(ctx context.Context, r Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.usable(ctx); err != nil {
		return err
	}
	h.seq++
	r.Seq = h.seq
	r.Changes = slices.Clone(r.Changes)
	if same := h.textOf(r.Hash); same == r.Text {
		r.Text = same // of one document there is one copy
	}
	h.records = append(h.records, r)
	h.bytes += r.size()
	h.prune(r.Outcome)
	return nil
}

func (h *memoryHistory) textOf(hash string) string {
	for _, r := range slices.Backward(h.records) {
		if r.Hash == hash {
			return r.Text
		}
	}
	return ""
}

// prune drops the oldest records of an outcome that are too many, and the oldest of
// all while their documents are too large. REQUIRES: h.mu.
func (h *memoryHistory) prune(outcome string) {
	count, oldest := 0, -1
	for i := range h.records {
		if h.records[i].Outcome == outcome {
			if oldest < 0 {
				oldest = i
			}
			count++
		}
	}
	if count > HistoryKept {
		h.drop(oldest)
	}
	for h.bytes > historyBytes && len(h.records) > 1 {
		h.drop(h.dispensable())
	}
}

// dispensable is the oldest refused record, or else the oldest.
func (h *memoryHistory) dispensable() int {
	refused := slices.IndexFunc(h.records[:len(h.records)-1], func(r Record) bool { return r.Outcome == OutcomeRefused })
	return max(refused, 0)
}

func (h *memoryHistory) drop(i int) {
	h.bytes -= h.records[i].size()
	h.records = slices.Delete(h.records, i, i+1)
}

// List implements [History].
func (h *memoryHistory) List(ctx context.Context, before uint64, limit int) ([]Record, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if err := h.usable(ctx); err != nil {
		return nil, err
	}
	if err := checkLimit(limit); err != nil {
		return nil, err
	}
	var out []Record
	for _, r := range slices.Backward(h.records) {
		if before > 0 && r.Seq >= before {
			continue
		}
		r.Changes = slices.Clone(r.Changes)
		if out = append(out, r); len(out) == limit {
			break
		}
	}
	return out, nil
}

func checkLimit(limit int) error {
	if limit >= 0 {
		return nil
	}
	return fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Message: "the limit must not be negative"})
}

// Revision implements [History].
func (h *memoryHistory) Revision(ctx context.Context, number uint64) (Record, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if err := h.usable(ctx); err != nil {
		return Record{}, err
	}
	for _, r := range slices.Backward(h.records) {
		if r.Outcome == OutcomeApplied && r.Revision == number {
			r.Changes = slices.Clone(r.Changes)
			return r, nil
		}
	}
	return Record{}, noRevision(number)
}

func noRevision(number uint64) error {
	return fault.New(fault.Spec{
		Code: fault.NotFound, Component: component, Message: "the history has no such revision: it may be too old to be kept",
		Evidence: []fault.Fact{fault.Measure("revision", float64(number), "")},
	})
}

// Close implements [History].
func (h *memoryHistory) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed, h.records = true, nil
	return nil
}

func (h *memoryHistory) usable(ctx context.Context) error {
	switch {
	case h.closed:
		return fault.New(fault.Spec{Code: fault.Closed, Component: component, Message: "the history was closed"})
	case ctx.Err() != nil:
		return fault.New(fault.Spec{Code: fault.Canceled, Component: component, Message: "the caller gave up", Cause: context.Cause(ctx)})
	default:
		return nil
	}
}
