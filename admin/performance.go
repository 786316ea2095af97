package admin

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/perf"
)

// defaultWindow is what an operation is shown over.
const defaultWindow = time.Minute

// standings are the states of operations, the one to look at first first.
var standings = []string{string(perf.Alerting), string(perf.Learning), string(perf.Normal), string(perf.Idle)}

func (a *api) listOperations(r *http.Request) (any, error) {
	window, err := readWindow(r)
	if err != nil {
		return nil, err
	}
	all := a.layer.Performance().Operations(window)
	views := make([]adminapi.Operation, 0, len(all))
	for i := range all {
		views = append(views, operationView(&all[i]))
	}
	slices.SortStableFunc(views, func(x, y adminapi.Operation) int {
		return cmp.Or(cmp.Compare(slices.Index(standings, x.State), slices.Index(standings, y.State)), cmp.Compare(y.Rate, x.Rate))
	})
	return list(views), nil
}

func (a *api) getOperation(r *http.Request) (any, error) {
	window, err := readWindow(r)
	if err != nil {
		return nil, err
	}
	s, err := a.layer.Performance().OperationStatus(r.PathValue("name"), window)
	if err != nil {
		return nil, err
	}
	return operationView(&s), nil
}

// readWindow reads how far back an operation is to be shown.
func readWindow(r *http.Request) (time.Duration, error) {
	p, err := newQueryReader(r, []string{"window"})
	if err != nil {
		return 0, err
	}
	window := p.span("window", defaultWindow)
	if window > perf.Kept || window < time.Second {
		p.problems.Add("window", p.values.Get("window"), "must lie between 1s and %v", perf.Kept)
	}
	return window, p.err()
}

func operationView(s *perf.OperationStatus) adminapi.Operation {
	w := s.Window
	v := adminapi.Operation{
		Name: s.Name, Kind: s.Kind, Within: nonNil(s.Within), State: string(s.State), WarmUpLeftSeconds: s.WarmUpLeft.Seconds(),
		WindowSeconds: w.To.Sub(w.From).Seconds(), Rate: w.Rate(), Succeeded: w.Succeeded, Failed: w.Failed, Ignored: w.Ignored, Refused: w.Refused,
		ErrorRatio: w.ErrorRatio(), MeanSeconds: w.Mean().Seconds(), QuantileError: w.Error(),
		P50Seconds: w.Quantile(0.5).Seconds(), P90Seconds: w.Quantile(0.9).Seconds(), P95Seconds: w.Quantile(0.95).Seconds(),
		P99Seconds: w.Quantile(0.99).Seconds(), P999Seconds: w.Quantile(0.999).Seconds(),
		Normal:     adminapi.Normal{LatencySeconds: s.NormalLatency.Seconds(), ErrorRatio: s.NormalErrors, Rate: s.NormalRate},
		Objectives: []adminapi.Objective{}, Alerts: alertViews(s.Alerts),
	}
	if s.Threshold != nil {
		v.Threshold = s.Threshold.String()
	}
	for _, o := range s.Objectives {
		v.Objectives = append(v.Objectives, adminapi.Objective{
			Measure: o.Measure, Target: o.Target, BoundSeconds: o.Bound.Seconds(), PeriodSeconds: o.Period.Seconds(), Spent: o.Spent, Burn: o.Burn,
		})
	}
	return v
}

func alertViews(all []perf.Alert) []adminapi.Alert {
	views := make([]adminapi.Alert, 0, len(all))
	for i := range all {
		a := &all[i]
		views = append(views, adminapi.Alert{
			Operation: a.Operation, Kind: a.Kind.String(), State: a.State.String(), Severity: string(a.Severity()), Cause: a.Cause.String(),
			Measure: a.Measure, Seen: a.Seen, Against: a.Against, Calls: a.Calls, Text: a.Text, Since: a.Since, SinceSeconds: elapsed(a.Since),
			TriggeredAt: a.TriggeredAt, ResolvedAt: a.ResolvedAt, Accepted: a.Accepted, SuppressedBy: a.SuppressedBy,
			SilencedBy: a.Silence.Actor, SilenceReason: a.Silence.Reason, SilenceSeconds: remaining(a.Silence.Until),
		})
	}
	return views
}

func (a *api) listAlerts(*http.Request) (any, error) {
	return list(alertViews(a.layer.Performance().Alerts())), nil
}

func (a *api) listSilences(*http.Request) (any, error) {
	views := []adminapi.Silence{}
	for _, s := range a.layer.Performance().Silences() {
		views = append(views, silenceView(s))
	}
	return list(views), nil
}

func silenceView(s perf.Silence) adminapi.Silence {
	v := adminapi.Silence{Operation: s.Operation, Actor: s.Actor, Reason: s.Reason, Since: s.From, Until: s.Until, RemainingSeconds: remaining(s.Until)}
	if s.Kind != nil {
		v.Kind = s.Kind.String()
	}
	return v
}

// readKind reads a kind of alert; "" means all.
func readKind(text string) (*perf.Kind, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // all kinds are no kind
	}
	kind := new(perf.Kind)
	if err := kind.UnmarshalText([]byte(text)); err != nil {
		return nil, refuse(fault.InvalidArgument, err.Error())
	}
	return kind, nil
}

func (a *api) silence(r *http.Request) (any, error) {
	var request adminapi.SilenceRequest
	if err := read(r, &request); err != nil {
		return nil, err
	}
	kind, err := readKind(request.Kind)
	if err != nil {
		return nil, err
	}
	length, err := durationOf(request.ForSeconds)
	if err != nil || length == 0 {
		return nil, refuse(fault.InvalidArgument, "for_seconds must be a positive number of seconds: a silence without an end would be forgotten")
	}
	s, err := a.layer.Performance().Silence(perf.Silence{
		Operation: r.PathValue("name"), Kind: kind, Actor: actorOf(r.Context()), Reason: request.Reason, Until: time.Now().Add(length),
	})
	if err != nil {
		return nil, err
	}
	a.log(r, "silence", "alert", s.Operation, slog.String("alert_kind", request.Kind), slog.String("reason", request.Reason), slog.Duration("for", length))
	return silenceView(s), nil
}

func (a *api) endSilence(r *http.Request) (any, error) {
	name, text := r.PathValue("name"), r.URL.Query().Get("kind")
	kind, err := readKind(text)
	if err != nil {
		return nil, err
	}
	reason, err := reasonOf(r)
	if err != nil {
		return nil, err
	}
	if err := a.layer.Performance().EndSilence(name, kind, actorOf(r.Context())); err != nil {
		return nil, err
	}
	a.log(r, "end silence", "alert", name, slog.String("alert_kind", text), slog.String("reason", reason))
	a.note(r, "silence.end_requested", name, reason)
	return a.listSilences(r)
}

// getSeries answers with aligned arrays. The defaults are the last five minutes.
func (a *api) getSeries(r *http.Request) (any, error) {
	p, err := newQueryReader(r, []string{"name", "kind", "from", "to", "step"}, "kind")
	if err != nil {
		return nil, err
	}
	name, kinds := p.values.Get("name"), p.values["kind"]
	if name == "" {
		p.problems.Add("name", "", "is missing: the name of an operation, as GET /v1/operations lists them")
	}
	if len(kinds) == 0 {
		kinds = []string{"rate", "errors", "p50", "p99"}
	}
	from, to, step := p.moment("from"), p.moment("to"), p.span("step", 0)
	if err := p.err(); err != nil {
		return nil, err
	}
	if to.IsZero() {
		to = p.now
	}
	if from.IsZero() {
		from = to.Add(-5 * time.Minute)
	}
	s, err := a.layer.Performance().Series(name, from, to, step, kinds...)
	if err != nil {
		return nil, err
	}
	return seriesView(name, &s), nil
}

func seriesView(name string, s *perf.Series) adminapi.Series {
	v := adminapi.Series{
		APIVersion: adminapi.Version, Name: name, From: s.From, To: s.To, StepSeconds: s.Step.Seconds(), Time: make([]int64, 0, len(s.Times)), Values: map[string][]*float64{},
	}
	for _, t := range s.Times {
		v.Time = append(v.Time, t.Unix())
	}
	for i, measure := range s.Measures {
		values := make([]*float64, 0, len(s.Values[i]))
		for k := range s.Values[i] {
			if math.IsNaN(s.Values[i][k]) {
				values = append(values, nil)
			} else {
				values = append(values, &s.Values[i][k])
			}
		}
		v.Values[measure] = values
	}
	return v
}

func performanceView(s *perf.Status, alerts []perf.Alert) adminapi.Performance {
	if s == nil {
		return adminapi.Performance{Alerts: []adminapi.Alert{}, UnknownNames: []string{}}
	}
	firing := slices.DeleteFunc(alerts, func(a perf.Alert) bool { return a.State != perf.Firing })
	return adminapi.Performance{
		Running: s.Running, TickSeconds: s.Config.Tick.Seconds(), WarmUpSeconds: s.Config.WarmUp.Seconds(),
		Operations: s.Operations, Learning: s.Learning, Normal: s.Normal, Idle: s.Idle, Firing: len(firing), Alerts: alertViews(firing), UnknownNames: nonNil(s.UnknownNames),
		Webhook: adminapi.Webhook{
			Configured: s.WebhookSet, Delivered: s.Webhook.Delivered, Failed: s.Webhook.Failed, Dropped: s.Webhook.Dropped, Waiting: s.Webhook.Waiting, LastError: s.Webhook.LastError,
		},
	}
}

// shownAlerts bounds the alerts that the verdict names one by one.
const shownAlerts = 5

func (s *verdict) judgePerformance() {
	p := &s.Performance
	shown, more := 0, 0
	for i := range p.Alerts {
		a := &p.Alerts[i]
		switch {
		case s.coversOperation(a.Operation): // what is wrong with it is told, with its numbers
		case shown == shownAlerts:
			more++
		default:
			shown++
			s.alerting(a)
		}
	}
	if more > 0 {
		s.attention(rankSlow, fmt.Sprintf("and %d more alerts", more), "alerts")
	}
	if w := &p.Webhook; w.Failed+w.Dropped > 0 && w.LastError != "" {
		s.attention(rankNote, fmt.Sprintf("the webhook does not take alerts: %d failed, %d were dropped: %s", w.Failed, w.Dropped, w.LastError), "alerts")
	}
}

// alerting finds what an alert is about.
func (s *verdict) alerting(a *adminapi.Alert) {
	kind, name := partOfOperation(s.Status, a.Operation)
	f := adminapi.Finding{Kind: kind, Name: name, Since: a.Since, Command: "why " + kind + " " + quoted(name), Text: alertSentence(kind+" "+name, a)}
	if kind == "operation" {
		f.Command, f.Text = "get operations "+quoted(name), alertSentence(name, a)
	}
	s.covered[kind+" "+name] = true
	f.Takes = s.coverRoutes()
	f.Text += s.impact(f.Takes)
	s.find(map[bool]rank{true: rankDegraded, false: rankSlow}[a.Severity == string(fault.SeverityError)], f)
}

// harmless are what a word of a shell may hold as it stands: a key comes from whoever sends the
// requests, and the commands that are named are pasted.
const harmless = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/@%+-"

// quoted makes a text one word of a shell, whatever it holds.
func quoted(text string) string {
	if text != "" && strings.Trim(text, harmless) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
