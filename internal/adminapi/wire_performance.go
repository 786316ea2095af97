package adminapi

import (
	"time"
)

// Performance says how the operations are watched; zero while the section is off.
type Performance struct {
	Running       bool     `json:"running"`
	TickSeconds   float64  `json:"tick_seconds"`
	WarmUpSeconds float64  `json:"warm_up_seconds"`
	Operations    int      `json:"operations"`
	Learning      int      `json:"learning"` // of them: what is normal is not known yet
	Normal        int      `json:"normal"`
	Idle          int      `json:"idle"` // never called
	Firing        int      `json:"firing"`
	Alerts        []Alert  `json:"alerts"` // that are firing
	UnknownNames  []string `json:"unknown_names"`
	Webhook       Webhook  `json:"webhook"`
}

// Webhook is what became of the alerts that were sent.
type Webhook struct {
	Configured bool   `json:"configured"`
	Delivered  uint64 `json:"delivered"`
	Failed     uint64 `json:"failed"`  // given up after four attempts
	Dropped    uint64 `json:"dropped"` // too many waited
	Waiting    int    `json:"waiting"`
	LastError  string `json:"last_error"`
}

// Operation is something that is watched: a guard, a route, a pool, or what the program counts
// by itself, and what it did in the window.
type Operation struct {
	Name              string      `json:"name"`
	Kind              string      `json:"kind"`   // "guard", "route", "pool" or "operation"
	Within            []string    `json:"within"` // the operations that it is a part of
	State             string      `json:"state"`  // "alerting", "learning", "normal" or "idle"
	WarmUpLeftSeconds float64     `json:"warm_up_left_seconds"`
	WindowSeconds     float64     `json:"window_seconds"`
	Rate              float64     `json:"rate"` // calls a second
	Succeeded         uint64      `json:"succeeded"`
	Failed            uint64      `json:"failed"`
	Ignored           uint64      `json:"ignored"`
	Refused           uint64      `json:"refused"`
	ErrorRatio        float64     `json:"error_ratio"`
	MeanSeconds       float64     `json:"mean_seconds"` // of calls that succeeded, as are the quantiles
	P50Seconds        float64     `json:"p50_seconds"`
	P90Seconds        float64     `json:"p90_seconds"`
	P95Seconds        float64     `json:"p95_seconds"`
	P99Seconds        float64     `json:"p99_seconds"`
	P999Seconds       float64     `json:"p999_seconds"`
	QuantileError     float64     `json:"quantile_error"` // the greatest relative error of the quantiles
	Normal            Normal      `json:"normal"`
	Threshold         string      `json:"threshold"` // what was set by hand, as in "p99 ≤ 250ms"
	Objectives        []Objective `json:"objectives"`
	Alerts            []Alert     `json:"alerts"` // that are on
}

// Normal is what is normal for an operation, 0 where it is still learned.
type Normal struct {
	LatencySeconds float64 `json:"latency_seconds"` // a high quantile: what one in ten or in a hundred calls exceeds
	ErrorRatio     float64 `json:"error_ratio"`
	Rate           float64 `json:"rate"`
}

// Objective is one half of an objective.
type Objective struct {
	Measure       string  `json:"measure"` // "success" or "latency"
	Target        float64 `json:"target"`  // the share of calls that keep to it
	BoundSeconds  float64 `json:"bound_seconds"`
	PeriodSeconds float64 `json:"period_seconds"`
	Spent         float64 `json:"spent"` // the share of what it allows in the period; above 1 it is missed
	Burn          float64 `json:"burn"`  // how many times as fast as it lasts for the period that is used up now
}

// Alert is one deviation of an operation.
type Alert struct {
	Operation      string    `json:"operation"`
	Kind           string    `json:"kind"`     // "latency", "errors", "throughput" or "objective"
	State          string    `json:"state"`    // "firing", "suppressed", "silenced" or "resolved"
	Severity       string    `json:"severity"` // "error" or "warning"; "info" once it is silenced or resolved
	Cause          string    `json:"cause"`    // "baseline", "threshold" or "objective"
	Measure        string    `json:"measure"`
	Seen           float64   `json:"seen"` // in seconds, as a share, in calls a second, or as a burn rate
	Against        float64   `json:"against"`
	Calls          uint64    `json:"calls"`
	Text           string    `json:"text"`
	Since          time.Time `json:"since"`
	SinceSeconds   float64   `json:"since_seconds"`
	TriggeredAt    time.Time `json:"triggered_at"`
	ResolvedAt     time.Time `json:"resolved_at"`
	Accepted       bool      `json:"accepted"` // what was seen has lasted and is normal now
	SuppressedBy   string    `json:"suppressed_by"`
	SilencedBy     string    `json:"silenced_by"`
	SilenceReason  string    `json:"silence_reason"`
	SilenceSeconds float64   `json:"silence_seconds"` // that remain
}

// Silence says that alerts are known.
type Silence struct {
	Operation        string    `json:"operation"`
	Kind             string    `json:"kind"` // "" means all
	Actor            string    `json:"actor"`
	Reason           string    `json:"reason"`
	Since            time.Time `json:"since"`
	Until            time.Time `json:"until"`
	RemainingSeconds float64   `json:"remaining_seconds"`
}

// SilenceRequest is the body of PUT /v1/silences/{name}.
type SilenceRequest struct {
	Kind       string  `json:"kind"` // "" means all
	ForSeconds float64 `json:"for_seconds"`
	Reason     string  `json:"reason"`
}

// Series is the answer of GET /v1/series: arrays of the same length, for plots.
type Series struct {
	APIVersion  string                `json:"api_version"`
	Name        string                `json:"name"`
	From        time.Time             `json:"from"`
	To          time.Time             `json:"to"`
	StepSeconds float64               `json:"step_seconds"`
	Time        []int64               `json:"time"`   // when each step begins, in seconds of Unix time
	Values      map[string][]*float64 `json:"values"` // of each kind; null where there is nothing to be said
}
