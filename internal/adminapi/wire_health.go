package adminapi

import "time"

// Health is the answer of GET /v1/health: how everything is, and why.
type Health struct {
	APIVersion string            `json:"api_version"`
	At         time.Time         `json:"at"`
	Group      string            `json:"group"`  // that the answer is about, "" for the whole
	Status     string            `json:"status"` // "pass", "warn", "fail" or "unknown"
	Score      int               `json:"score"`  // from 0 to 100: what the deductions leave
	Deductions []Deduction       `json:"deductions"`
	Ready      bool              `json:"ready"` // as /readyz answers
	NotReady   []string          `json:"not_ready"`
	Live       bool              `json:"live"` // as /livez answers
	NotLive    []string          `json:"not_live"`
	Started    bool              `json:"started"` // as /startupz answers
	Groups     []string          `json:"groups"`  // that there are
	Components []HealthComponent `json:"components"`
}

// HealthSummary is health on the page of the status.
type HealthSummary struct {
	Status string   `json:"status"`
	Score  int      `json:"score"`
	Live   bool     `json:"live"`
	Groups []string `json:"groups"`
	// Failing are the checks that are not well, those that others are the cause of at the end.
	Failing []HealthComponent `json:"failing"`
}

// Deduction is what one component costs the score.
type Deduction struct {
	Component string `json:"component"`
	Points    int    `json:"points"`
	Why       string `json:"why"`
}

// HealthComponent is one check, or one part of the layer.
type HealthComponent struct {
	Name         string    `json:"name"` // of a check, or of a part with its section, as in "breakers/payments"
	Status       string    `json:"status"`
	Since        time.Time `json:"since"`
	SinceSeconds float64   `json:"since_seconds"`
	Output       string    `json:"output"`      // why it is not well
	Criticality  string    `json:"criticality"` // "hard", "soft" or "optional"
	Readiness    bool      `json:"readiness"`   // whether it decides over readiness
	Liveness     bool      `json:"liveness"`
	Impacted     bool      `json:"impacted"` // it is not well because of others
	Causes       []string  `json:"causes"`   // which of them began it
	DependsOn    []string  `json:"depends_on"`
	Groups       []string  `json:"groups"`
	See          string    `json:"see"` // the command that tells more
	// What follows is of checks alone.
	IsCheck        bool              `json:"is_check"`
	Outcome        string            `json:"outcome"` // of the last run: "passed", "warned", "failed", "panicked", "exited", "timed_out", "hung", "not_run"
	LastAt         time.Time         `json:"last_at"`
	LastSeconds    float64           `json:"last_seconds"` // how long it took
	InARow         int               `json:"in_a_row"`     // results like the last one
	EverySeconds   float64           `json:"every_seconds"`
	TimeoutSeconds float64           `json:"timeout_seconds"`
	Flapping       bool              `json:"flapping"`
	ChangedPercent float64           `json:"changed_percent"` // of the recent results, weighted: 20 begins to flap, 5 ends it
	Stale          bool              `json:"stale"`
	Hanging        bool              `json:"hanging"` // a run ignores its context and has not returned
	Runs           map[string]uint64 `json:"runs"`    // by outcome
	LateDiscarded  uint64            `json:"late_discarded"`
}
