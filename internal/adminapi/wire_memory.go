package adminapi

import "time"

// Memory is the answer of GET /v1/memory, and of a simulation. Level is "off" where memory
// is not watched.
type Memory struct {
	APIVersion   string       `json:"api_version"`
	Level        string       `json:"level"`    // that calls meet: "normal", "elevated", "high", "critical", "unknown" or "off"
	Measured     string       `json:"measured"` // without a simulation
	Since        time.Time    `json:"since"`    // of measured
	SinceSeconds float64      `json:"since_seconds"`
	Cause        string       `json:"cause"`  // why the level is not lower
	Stale        bool         `json:"stale"`  // the last sample is so old that no call is refused
	Limits       []Limit      `json:"limits"` // that are known; the one that is used most first
	Priorities   []Shedding   `json:"priorities"`
	Levels       []Threshold  `json:"levels"`
	Heap         Heap         `json:"heap"`
	Stalls       Stalls       `json:"stalls"`
	LimitSeconds float64      `json:"limit_seconds"` // until the limit is reached at the present pace; 0: not foreseen
	Unread       []string     `json:"unread"`        // what could not be read or understood
	Samples      uint64       `json:"samples"`
	SampledAt    time.Time    `json:"sampled_at"`
	AgeSeconds   float64      `json:"age_seconds"` // of the sample
	TookSeconds  float64      `json:"took_seconds"`
	DwellSeconds float64      `json:"dwell_seconds"`
	Simulation   Simulation   `json:"simulation"`
	Cleaners     []CleanerRow `json:"cleaners"`
}

// Limit is one limit and what is used of it.
type Limit struct {
	Source string  `json:"source"` // "go", "configured", "cgroup …" or "machine"
	Used   uint64  `json:"used"`
	Limit  uint64  `json:"limit"`
	Ratio  float64 `json:"ratio"`
}

// Shedding is what becomes of the calls of one priority.
type Shedding struct {
	Priority string  `json:"priority"`
	Refused  float64 `json:"refused"` // the share of calls that is refused now
	Shed     uint64  `json:"shed"`    // how many were refused so far
}

// Threshold is from which share of the limit on a level holds, and below which it is left.
type Threshold struct {
	Level string  `json:"level"`
	Enter float64 `json:"enter"`
	Exit  float64 `json:"exit"`
}

// Heap is Go's heap, in bytes.
type Heap struct {
	Live    uint64  `json:"live"` // what the last garbage collection found in use
	Goal    uint64  `json:"goal"`
	Objects uint64  `json:"objects"` // garbage included
	Mapped  uint64  `json:"mapped"`
	GCCPU   float64 `json:"gc_cpu"` // the share of the processors that collecting takes
}

// Stalls are the percent of the last ten seconds in which some or all tasks waited for
// memory.
type Stalls struct {
	Known bool    `json:"known"`
	Some  float64 `json:"some"`
	Full  float64 `json:"full"`
}

// Simulation is a level that somebody wants to see; Level is empty where nobody does.
type Simulation struct {
	Level            string    `json:"level"`
	Actor            string    `json:"actor"`
	Reason           string    `json:"reason"`
	Until            time.Time `json:"until"`
	RemainingSeconds float64   `json:"remaining_seconds"`
}

// SimulateRequest is the body of POST /v1/memory/simulate. The level "normal" ends what is
// simulated.
type SimulateRequest struct {
	Level      string  `json:"level"`
	ForSeconds float64 `json:"for_seconds"`
	Reason     string  `json:"reason"`
}

// CleanerRow is something that is given up when memory is short.
type CleanerRow struct {
	Name            string    `json:"name"`
	MinLevel        string    `json:"min_level"`
	Runs            uint64    `json:"runs"`
	Failures        uint64    `json:"failures"`
	Freed           uint64    `json:"freed"` // in all runs, as it says
	LastAt          time.Time `json:"last_at"`
	LastAgoSeconds  float64   `json:"last_ago_seconds"`
	LastFreed       int64     `json:"last_freed"`
	LastMeasured    int64     `json:"last_measured"` // by how many bytes the use had fallen afterwards
	LastTookSeconds float64   `json:"last_took_seconds"`
	LastError       string    `json:"last_error"`
	CooldownSeconds float64   `json:"cooldown_seconds"`
	Behind          bool      `json:"behind"` // it has not returned in time, and runs still
}
