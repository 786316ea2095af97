package storetest

import (
	_ "embed" // the vectors
	"encoding/json"
	"fmt"
	"time"

	"github.com/elixirscope/foundation/ratelimit"
)

//go:embed vectors.json
var vectors []byte

// Vector is a rule and a sequence of calls of one key.
type Vector struct {
	Name  string `json:"name"`
	Rule  Rule   `json:"rule"`
	Steps []Step `json:"steps"`
}

// Rule is the part of a configuration that a store computes with.
type Rule struct {
	Algorithm ratelimit.Algorithm `json:"algorithm"`
	Limit     int64               `json:"limit"`
	Per       time.Duration       `json:"per_ns"`
	Burst     int64               `json:"burst,omitempty"`
}

// Config returns the rule as a limiter's configuration.
func (r Rule) Config() ratelimit.Config {
	return ratelimit.Config{Algorithm: r.Algorithm, Limit: r.Limit, Per: r.Per, Burst: r.Burst}
}

// Step is one call and what must be answered.
type Step struct {
	At         time.Duration `json:"at_ns"`
	Cost       int64         `json:"cost"`
	Refund     int           `json:"refund,omitempty"` // of this step, counting from 1
	OK         bool          `json:"ok"`
	Remaining  int64         `json:"remaining"`
	RetryAfter time.Duration `json:"retry_after_ns"`
	ResetAfter time.Duration `json:"reset_after_ns"`
}

// Check returns what is wrong with a decision, or nil.
func (s Step) Check(d ratelimit.Decision) error {
	got := Step{s.At, s.Cost, s.Refund, d.OK, d.Remaining, d.RetryAfter, d.ResetAfter}
	if got != s {
		return fmt.Errorf("got %+v, want %+v", got, s)
	}
	return nil
}

// Vectors returns all vectors.
func Vectors() ([]Vector, error) {
	var all []Vector
	if err := json.Unmarshal(vectors, &all); err != nil {
		return nil, fmt.Errorf("read the test vectors: %w", err)
	}
	return all, nil
}
