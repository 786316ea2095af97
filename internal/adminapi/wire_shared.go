package adminapi

import "time"

// Shared is how the rate limits with scope shared are counted, together with other processes.
type Shared struct {
	On               bool      `json:"on"`     // the configuration has the section shared
	Server           string    `json:"server"` // what the store says of its server; "" until it was asked
	Away             string    `json:"away"`   // why the store does not answer, "" if it does
	Since            time.Time `json:"since"`  // since when that, or the contrary, is so
	AwaySeconds      float64   `json:"away_seconds"`
	AwayInAllSeconds float64   `json:"away_in_all_seconds"` // since the start
	Fault            string    `json:"fault"`               // why the server cannot be relied upon, "" if it can
	Warnings         []string  `json:"warnings"`            // what operators should change of it
	TimeoutSeconds   float64   `json:"timeout_seconds"`     // how long a call waits for it
	Instances        int       `json:"instances"`           // by which limits are divided while it is away
	Unheard          string    `json:"unheard"`             // why the other instances could not be asked for last, "" if they could
	// OtherConfiguration is how many instances run another configuration than this one, Different since when.
	OtherConfiguration int       `json:"other_configuration"`
	Different          time.Time `json:"different_since"`
	DifferentSeconds   float64   `json:"different_seconds"`
	Rules              int       `json:"rules"`
	RefundsQueued      int       `json:"refunds_queued"`
	RefundsSent        uint64    `json:"refunds_sent"`
	RefundsDropped     uint64    `json:"refunds_dropped"`
}

// Instance is one of the processes that share counters, as it was last heard of.
type Instance struct {
	ID                string    `json:"id"` // another after each start
	Self              bool      `json:"self"`
	Node              string    `json:"node"`
	Address           string    `json:"address"` // of its admin API; "" without one
	Version           string    `json:"version"`
	StartedAt         time.Time `json:"started_at"`
	UptimeSeconds     float64   `json:"uptime_seconds"`
	Revision          uint64    `json:"revision"`           // of its configuration
	Hash              string    `json:"hash"`               // of what that says
	SameConfiguration bool      `json:"same_configuration"` // as the instance that was asked
	Verdict           string    `json:"verdict"`
	SeenAt            time.Time `json:"seen_at"` // by the clock of the store
	SeenSeconds       float64   `json:"seen_seconds"`
}
