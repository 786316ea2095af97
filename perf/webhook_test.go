package perf_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/perf"
	"github.com/elixirscope/foundation/telemetry"
)

// hook is a webhook that notes what it receives.
type hook struct {
	answer func(ctx context.Context) error
	bodies []string
}

func (h *hook) send(ctx context.Context, url string, body []byte) error {
	if url != "http://hook" {
		return errors.New("not here")
	}
	if h.answer != nil {
		if err := h.answer(ctx); err != nil {
			return err
		}
	}
	h.bodies = append(h.bodies, string(body))
	return nil
}

func failingNow() map[string]traffic {
	failing := usual
	failing.errors = 0.5
	return map[string]traffic{"checkout": failing}
}

func usualNow() map[string]traffic { return map[string]traffic{"checkout": usual} }

func TestWebhook_IsToldOfTheBeginningAndTheEnd(t *testing.T) {
	h := &hook{}
	run(t, quick, perf.Options{Send: h.send}, func(k *kit) {
		k.m.SetWebhook("http://hook")
		k.seconds(120, usualNow())
		k.seconds(30, failingNow())
		k.seconds(60, usualNow())
		if len(h.bodies) != 2 {
			t.Fatalf("%q", h.bodies)
		}
		var m struct {
			Text, Event string
			Alert       struct {
				Operation, Kind, State, Severity, Cause, Measure, Text string
				Seen, Against                                          float64
				Calls                                                  uint64
				Since                                                  time.Time
			}
		}
		if err := json.Unmarshal([]byte(h.bodies[0]), &m); err != nil {
			t.Fatal(err)
		}
		a := m.Alert
		if m.Event != "alert_triggered" || !strings.HasPrefix(m.Text, "op:checkout: errors ") || a.Operation != "op:checkout" || a.Kind != "errors" || a.State != "firing" || a.Seen < 0.2 || a.Calls == 0 || a.Since.IsZero() {
			t.Errorf("%+v", m)
		}
		if !strings.Contains(h.bodies[1], "alert_resolved") || k.m.Status().Webhook.Delivered != 2 {
			t.Errorf("%s", h.bodies[1])
		}
	})
}

// A webhook that hangs, fails or panics holds up nothing; it is tried again, a few times.
func TestWebhook_ThatIsDownHoldsUpNothing(t *testing.T) {
	for name, answer := range map[string]func(ctx context.Context) error{
		"hangs":  func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"fails":  func(context.Context) error { return errors.New("503") },
		"panics": func(context.Context) error { panic("on purpose") },
	} {
		t.Run(name, func(t *testing.T) {
			h := &hook{answer: answer}
			run(t, quick, perf.Options{Send: h.send}, func(k *kit) {
				k.m.SetWebhook("http://hook")
				k.seconds(120, usualNow())
				k.seconds(60, failingNow())
				k.wantAlerts(1, 0)
				if s := k.m.Status().Webhook; s.Failed != 1 || s.LastError == "" || s.Delivered != 0 {
					t.Errorf("%+v", s)
				}
				h.answer = nil
				k.seconds(60, usualNow())
				k.wantAlerts(1, 1)
				if s := k.m.Status().Webhook; s.Delivered != 1 || s.LastError != "" {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// What does not fit into the queue is dropped and counted.
func TestWebhook_TheQueueIsBounded(t *testing.T) {
	h := &hook{answer: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	bounds := map[string]perf.Threshold{}
	var sources []perf.Source
	for i := range 400 {
		name := "cron" + strings.Repeat("-", i%20) + string(rune('a'+i/20))
		bounds[name] = perf.Threshold{MinRate: 1, For: 1, Of: 1}
		sources = append(sources, perf.Source{Name: name, Part: name, Read: func(*telemetry.Calls, uint64) uint64 { return 1 }})
	}
	run(t, with(quick, func(c *perf.Config) { c.Thresholds = bounds }), perf.Options{Send: h.send}, func(k *kit) {
		k.m.SetWebhook("http://hook")
		k.m.Follow("parts", sources)
		k.seconds(5, nil)
		k.wantAlerts(400, 0)
		if s := k.m.Status().Webhook; s.Waiting < 255 || s.Waiting+int(s.Dropped) != 399 { // and one is being sent
			t.Errorf("%+v", s)
		}
	})
}

func TestSilence_NobodyIsCalledUntilItEnds(t *testing.T) {
	h := &hook{}
	bus := telemetry.NewBus()
	var told []perf.AlertSilenced
	subscribe(t, bus, func(e perf.AlertSilenced) { told = append(told, e) })
	run(t, quick, perf.Options{Send: h.send, Bus: bus}, func(k *kit) {
		k.m.SetWebhook("http://hook")
		k.seconds(120, usualNow())
		kind := perf.Errors
		s, err := k.m.Silence(perf.Silence{Operation: "op:checkout", Kind: &kind, Actor: "jo", Reason: "the migration", Until: time.Now().Add(40 * time.Second)})
		if err != nil || s.From.IsZero() || len(k.m.Silences()) != 1 {
			t.Fatalf("%+v, %v", s, err)
		}
		k.seconds(30, failingNow())
		k.wantAlerts(1, 0)
		alerts := k.m.Alerts()
		if len(h.bodies) != 0 || !k.triggered[0].Silenced || len(alerts) != 1 || alerts[0].State != perf.Silenced || alerts[0].Silence.Actor != "jo" {
			t.Errorf("%q, %+v", h.bodies, alerts)
		}
		k.seconds(20, failingNow()) // the silence ends, and the alert does not
		k.wantAlerts(1, 0)
		if len(h.bodies) != 1 || k.m.Alerts()[0].State != perf.Firing || len(k.m.Silences()) != 0 {
			t.Errorf("%q, %+v", h.bodies, k.m.Alerts())
		}
		k.seconds(60, usualNow())
		if k.wantAlerts(1, 1); len(h.bodies) != 2 {
			t.Errorf("%q", h.bodies)
		}
		if len(told) != 1 || told[0].Actor != "jo" || told[0].Kind != "errors" || told[0].Reason != "the migration" {
			t.Errorf("%+v", told)
		}
	})
}

func TestSilence_IsEndedByHand(t *testing.T) {
	run(t, quick, perf.Options{}, func(k *kit) {
		k.m.Operation("x")
		all := perf.Silence{Operation: "op:x", Actor: "jo", Reason: "why", Until: time.Now().Add(time.Hour)}
		for range 2 { // the second takes the place of the first
			if _, err := k.m.Silence(all); err != nil {
				t.Fatal(err)
			}
		}
		kind := perf.Latency
		if err := k.m.EndSilence("op:x", &kind, "jo"); !errors.Is(err, fault.NotFound) {
			t.Error(err)
		}
		if err := k.m.EndSilence("op:x", nil, "jo"); err != nil || len(k.m.Silences()) != 0 {
			t.Error(err)
		}
	})
}

func TestSilence_RefusesWhatCannotBe(t *testing.T) {
	run(t, quick, perf.Options{}, func(k *kit) {
		k.m.Operation("checkout")
		_, err := k.m.Silence(perf.Silence{Operation: "op:checkout", Until: time.Now().Add(-time.Second)})
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Code() != fault.InvalidArgument || len(f.Problems()) != 3 {
			t.Errorf("%v", err)
		}
		_, err = k.m.Silence(perf.Silence{Operation: "op:chekout", Actor: "jo", Reason: "why", Until: time.Now().Add(time.Hour)})
		if !errors.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "op:checkout") {
			t.Error(err)
		}
	})
}

// A second Serve would count twice.
func TestMonitor_ServesOnce(t *testing.T) {
	run(t, quick, perf.Options{}, func(k *kit) {
		if err := k.m.Serve(t.Context()); !errors.Is(err, fault.Conflict) {
			t.Error(err)
		}
		k.stop()
		synctest.Wait()
		k.serve()
	})
}
