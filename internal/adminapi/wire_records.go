package adminapi

import (
	"encoding/json"
	"time"
)

// Event is one thing that was recorded.
type Event struct {
	ID          string          `json:"id"`
	Seq         uint64          `json:"seq"`  // its place in the store: the cursor of a reader
	Type        string          `json:"type"` // as in "circuit_breaker.state_change"; docs/events.md lists them
	Time        time.Time       `json:"time"`
	Severity    string          `json:"severity"` // "info", "warning" or "error"
	Component   string          `json:"component"`
	Name        string          `json:"name"` // of the part
	Node        string          `json:"node"` // where it happened
	Correlation string          `json:"correlation"`
	Parent      string          `json:"parent"` // the id of the event that caused it
	Data        json.RawMessage `json:"data"`   // null if there is none
}

// Events is the answer of GET /v1/events.
type Events struct {
	APIVersion string  `json:"api_version"`
	Items      []Event `json:"items"`
	Next       uint64  `json:"next"` // the value of "after" that continues
	More       bool    `json:"more"` // there may be further ones now
}

// EventRequest is the body of POST /v1/events. Only Type is required.
type EventRequest struct {
	ID          string          `json:"id"` // a UUID; a repetition with the same one is refused
	Type        string          `json:"type"`
	Time        time.Time       `json:"time"`     // the zero time means now
	Severity    string          `json:"severity"` // "" means "info"
	Name        string          `json:"name"`
	Correlation string          `json:"correlation"`
	Parent      string          `json:"parent"`
	Data        json.RawMessage `json:"data"` // an object; the server adds the actor
}

// Service is something that runs in the background.
type Service struct {
	Name              string    `json:"name"`
	State             string    `json:"state"` // "starting", "running", "backing_off", "stopped", "failed" or "completed"
	Since             time.Time `json:"since"`
	SinceSeconds      float64   `json:"since_seconds"`
	Incarnation       uint64    `json:"incarnation"` // how often it was started
	Failures          uint64    `json:"failures"`    // in a row
	TotalFailures     uint64    `json:"total_failures"`
	LastError         string    `json:"last_error"`
	FailedAt          time.Time `json:"failed_at"`
	Next              time.Time `json:"next"` // when it is started again
	RetryAfterSeconds float64   `json:"retry_after_seconds"`
}

// RestartRequest is the body of POST /v1/services/{name}/restart.
type RestartRequest struct {
	Reason string `json:"reason"`
}

// Storage says where events are recorded, and how that goes.
type Storage struct {
	Kind        string    `json:"kind"`    // "memory", "path", "postgres"; "" where nothing is recorded
	Durable     bool      `json:"durable"` // events outlive the process
	Away        string    `json:"away"`    // why the storage does not answer, "" if it does
	Since       time.Time `json:"since"`   // since when
	AwaySeconds float64   `json:"away_seconds"`
	Events      uint64    `json:"events"` // that are stored
	Bytes       int64     `json:"bytes"`
	Oldest      uint64    `json:"oldest"` // seq
	Newest      uint64    `json:"newest"`
	Emitted     uint64    `json:"emitted"` // since the start: acknowledged, waiting and dropped
	Stored      uint64    `json:"stored"`
	Waiting     uint64    `json:"waiting"`
	Dropped     uint64    `json:"dropped"`
}
