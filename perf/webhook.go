package perf

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
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

// run sends what is put in, one after the other, until ctx ends. A sender that ends its
// goroutine does not end that.
func (w *webhook) run(ctx context.Context) {
	for ctx.Err() == nil {
		ended := make(chan struct{})
		go func() { defer close(ended); w.serve(ctx) }()
		<-ended
	}
}

func (w *webhook) serve(ctx context.Context) {
	for ctx.Err() == nil {
		if a, ok := w.next(); ok {
			w.deliver(ctx, &a)
			continue
		}
		select {
		case <-ctx.Done():
		case <-w.wake:
		}
	}
}

func (w *webhook) next() (a Alert, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return Alert{}, false
	}
	a = w.queue[0]
	w.queue = append(w.queue[:0], w.queue[1:]...)
	return a, true
}

// target is where to send now: it may have changed between two attempts.
func (w *webhook) target() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.url
}

// fate is what became of an alert.
type fate uint8

const (
	lost fate = iota
	delivered
	postponed // the service ends: it waits for the next one
	unwanted  // there is no webhook any more
)

func (w *webhook) deliver(ctx context.Context, a *Alert) {
	end, why := lost, "the sender ended its goroutine"
	defer func() { w.settle(a, end, why) }()
	body, err := json.Marshal(messageOf(a))
	if err != nil {
		why = err.Error()
		return
	}
	for attempt := range webhookAttempts {
		if attempt > 0 {
			clock.Sleep(ctx, webhookBackoff<<(attempt-1))
		}
		url := w.target()
		if url == "" {
			end = unwanted
			return
		}
		failed := w.attempt(ctx, url, body)
		switch {
		case failed == "":
			end = delivered
			return
		case ctx.Err() != nil:
			end = postponed
			return
		case attempt == webhookAttempts-1:
			why = failed
			return
		}
		w.note(failed)
	}
}

func (w *webhook) note(why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.LastError = why
}

func (w *webhook) settle(a *Alert, end fate, why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case end == delivered:
		w.stats.Delivered++
		w.stats.LastError = ""
	case end == lost:
		w.stats.Failed++
		w.stats.LastError = why
	case end == postponed && w.url != "":
		w.queue = append([]Alert{*a}, w.queue...)
	}
}

// maxWebhookError bounds, in bytes, what is kept of an error of the sender.
const maxWebhookError = 500

// attempt sends once, and returns why that failed, "" if it did not. The sender is the
// program's, and may panic, as may the text of its error.
func (w *webhook) attempt(ctx context.Context, url string, body []byte) (failed string) {
	limited, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			failed = fmt.Sprintf("sending panicked: %.200v", cause)
		}
	}()
	err := w.send(limited, url, body)
	if err == nil {
		return ""
	}
	failed = cmp.Or(err.Error(), "the sender gave an error without a text")
	if len(failed) > maxWebhookError {
		failed = strings.ToValidUTF8(failed[:maxWebhookError], "") + "…"
	}
	return failed
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
