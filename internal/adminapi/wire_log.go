package adminapi

import "time"

// LogLevel is the answer of GET and PUT /v1/log_level. All is empty where the program offers
// none; who changed it is, while it is the configured one.
type LogLevel struct {
	APIVersion       string    `json:"api_version"`
	Level            string    `json:"level"` // "debug", "info", "warn" or "error"
	Configured       string    `json:"configured"`
	Actor            string    `json:"actor"`
	Reason           string    `json:"reason"`
	Since            time.Time `json:"since"`
	Until            time.Time `json:"until"` // when it goes back by itself; the zero time: it stays
	RemainingSeconds float64   `json:"remaining_seconds"`
}

// LogLevelRequest is the body of PUT /v1/log_level.
type LogLevelRequest struct {
	Level      string  `json:"level"`
	ForSeconds float64 `json:"for_seconds"` // 0: for good
	Reason     string  `json:"reason"`
}
