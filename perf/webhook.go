package perf

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/elixirscope/foundation/clock"
)

// webhook sends alerts to an address. Whoever puts one in never waits: the queue is bounded,
// and what does not fit is dropped and counted.
type webhook struct {
	send func(ctx context.Context, url string, body []byte) error
	wake chan struct{}

	mu    sync.Mutex // guards the fields below; nothing is sent under it
	url   string
	queue []Alert
	stats WebhookStats
}

// WebhookStats are the counts of a webhook.
type WebhookStats struct {
	Delivered uint64
	Failed    uint64 // given up after the last attempt
	Dropped   uint64 // too many waited
	Waiting   int
	LastError string // of the newest attempt that failed, "" after one that did not
}

const (
	webhookQueue    = 256
	webhookAttempts = 4
	webhookTimeout  = 10 * time.Second
	webhookBackoff  = time.Second // doubled after each attempt
)

func newWebhook(send func(ctx context.Context, url string, body []byte) error) *webhook {
	return &webhook{send: send, wake: make(chan struct{}, 1)}
}

func (w *webhook) set(url string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.url = url; url == "" {
		w.queue = nil
	}
}

func (w *webhook) put(a Alert) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.url == "" || w.send == nil:
		return
	case len(w.queue) >= webhookQueue:
		w.stats.Dropped++
		return
	}
	w.queue = append(w.queue, a)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *webhook) isSet() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.url != "" && w.send != nil
}

func (w *webhook) status() WebhookStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.stats
	s.Waiting = len(w.queue)
	return s
}

// serve sends what is put in, one after the other, until ctx ends.
func (w *webhook) serve(ctx context.Context) {
	for ctx.Err() == nil {
		if a, url, ok := w.next(); ok {
			w.deliver(ctx, url, a)
			continue
		}
		select {
		case <-ctx.Done():
		case <-w.wake:
		}
	}
}

func (w *webhook) next() (a Alert, url string, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return Alert{}, "", false
	}
	a = w.queue[0]
	w.queue = append(w.queue[:0], w.queue[1:]...)
	return a, w.url, true
}

func (w *webhook) deliver(ctx context.Context, url string, a Alert) {
	body, err := json.Marshal(messageOf(&a))
	for attempt := 0; err == nil && attempt < webhookAttempts; attempt++ {
		failed := w.attempt(ctx, url, body)
		if ctx.Err() != nil {
			return
		}
		if w.note(failed, attempt == webhookAttempts-1) {
			return
		}
		clock.Sleep(ctx, webhookBackoff<<attempt)
	}
}

// note counts an attempt. It reports whether there is to be no other.
func (w *webhook) note(failed error, last bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if failed == nil {
		w.stats.Delivered++
		w.stats.LastError = ""
		return true
	}
	if w.stats.LastError = failed.Error(); last {
		w.stats.Failed++
	}
	return last
}

// attempt sends once. The sender is the program's, and may panic.
func (w *webhook) attempt(ctx context.Context, url string, body []byte) (err error) {
	limited, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("sending panicked: %.200v", cause)
		}
	}()
	return w.send(limited, url, body)
}

// message is what a webhook receives. Text is what chat systems show.
type message struct {
	Text  string       `json:"text"`
	Event string       `json:"event"` // alert_triggered or alert_resolved
	Alert alertMessage `json:"alert"`
}

type alertMessage struct {
	Operation   string    `json:"operation"`
	Kind        string    `json:"kind"`
	State       string    `json:"state"`
	Severity    string    `json:"severity"`
	Cause       string    `json:"cause"`
	Measure     string    `json:"measure"`
	Seen        float64   `json:"seen"`
	Against     float64   `json:"against"`
	Since       time.Time `json:"since"`
	TriggeredAt time.Time `json:"triggered_at"`
	ResolvedAt  time.Time `json:"resolved_at"`
	Calls       uint64    `json:"calls"`
	Accepted    bool      `json:"accepted"`
	Text        string    `json:"text"`
}

func messageOf(a *Alert) message {
	m := message{
		Event: "alert_triggered", Text: fmt.Sprintf("%s: %s since %s, %d calls", a.Operation, a.Text, a.Since.UTC().Format(time.RFC3339), a.Calls),
		Alert: alertMessage{
			Operation: a.Operation, Kind: a.Kind.String(), State: a.State.String(), Severity: string(a.Severity()), Cause: a.Cause.String(), Measure: a.Measure,
			Seen: a.Seen, Against: a.Against, Since: a.Since, TriggeredAt: a.TriggeredAt, ResolvedAt: a.ResolvedAt, Calls: a.Calls, Accepted: a.Accepted, Text: a.Text,
		},
	}
	if a.State == Resolved {
		m.Event = "alert_resolved"
		m.Text = fmt.Sprintf("%s: resolved after %v (%s)", a.Operation, a.ResolvedAt.Sub(a.Since).Round(time.Second), a.Text)
	}
	return m
}
