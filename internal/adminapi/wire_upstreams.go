package adminapi

import "time"

// Upstream is one host that the requests of a route go to.
type Upstream struct {
	Name  string `json:"name"` // host and port; where the host is looked up, address and port
	Route string `json:"route"`
	// State is "active", "slow_start" (it gets a part of its requests, which grows),
	// "check_failed" or "ejected" (it gets none, unless most hosts of the route are out).
	State               string        `json:"state"`
	Reason              string        `json:"reason"` // why it gets no requests
	Since               time.Time     `json:"since"`  // of its state
	SinceSeconds        float64       `json:"since_seconds"`
	Until               time.Time     `json:"until"` // when its ejection ends
	RemainingSeconds    float64       `json:"remaining_seconds"`
	Share               float64       `json:"share"` // of its usual requests that it gets now
	InFlight            int64         `json:"in_flight"`
	Requests            uint64        `json:"requests"` // that have ended; each attempt is one
	Failures            uint64        `json:"failures"`
	Ignored             uint64        `json:"ignored"` // that say nothing about the host
	ConsecutiveFailures int           `json:"consecutive_failures"`
	Ejections           uint64        `json:"ejections"`
	FailingSince        time.Time     `json:"failing_since"` // when the first of the latest ejections began, between which it did not do well
	FailingSeconds      float64       `json:"failing_seconds"`
	EjectionsInRow      int           `json:"ejections_in_row"` // since then
	LastError           UpstreamError `json:"last_error"`
	Check               string        `json:"check"` // what its check found wrong last; empty if nothing, or if it has none
}

// UpstreamError is the latest failure of a host.
type UpstreamError struct {
	Class  string    `json:"class"` // as of the failures of a route; empty if there was none
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// Panic says whether so many hosts of a route are out that all of them get requests.
type Panic struct {
	On           bool      `json:"on"`
	Since        time.Time `json:"since"`
	SinceSeconds float64   `json:"since_seconds"`
	Requests     uint64    `json:"requests"` // that went to any host, since the start
}

// Lookup is how the hosts of a route were found in the DNS.
type Lookup struct {
	Name         string    `json:"name"` // host and port; empty where the hosts are listed
	EverySeconds float64   `json:"every_seconds"`
	At           time.Time `json:"at"`      // of the latest good answer
	Answers      int       `json:"answers"` // addresses in it
	Left         int       `json:"left"`    // of them that are not used, because there are too many
	Lookups      uint64    `json:"lookups"`
	Failures     uint64    `json:"failures"`
	Error        string    `json:"error"` // of the latest one, and since when there was no good answer; empty if it was good
	Since        time.Time `json:"since"`
	SinceSeconds float64   `json:"since_seconds"`
}
