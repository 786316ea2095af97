package config

import (
	"context"
	"time"
)

// The outcomes of a change.
const (
	OutcomeApplied = "applied"
	OutcomeRefused = "refused"
)

// HistoryKept is how many records of each outcome a [History] keeps: refused changes
// do not push out those that were applied.
const HistoryKept = 200

// Record is a change of the configuration as a [History] keeps it. No secret is in it:
// variables stand as they were written, and what was written in their place is
// hidden.
type Record struct {
	// Seq numbers the records of a history; the history assigns it.
	Seq uint64 `json:"seq"`
	// Revision is the number that an applied change got; of a refused one the revision
	// that stayed in force.
	Revision uint64    `json:"revision"`
	At       time.Time `json:"at"`
	Actor    string    `json:"actor"`
	Reason   string    `json:"reason"`
	// Source is the path of the file, "api" or "code".
	Source string `json:"source"`
	// Hash tells documents apart by what they say, see [Revision]; empty where a
	// refused change did not get as far as a document.
	Hash string `json:"hash"`
	// Text is the document as YAML, empty as for Hash.
	Text string `json:"text"`
	// FileHash is the hash of the file's document on which the change was made.
	FileHash string `json:"file_hash"`
	// Changes say what changed, a line each; of a refused change what was wanted.
	Changes []string `json:"changes"`
	Outcome string   `json:"outcome"` // OutcomeApplied or OutcomeRefused
	Err     string   `json:"error"`   // why it was refused

	// DriftRevision is the newest revision that was made through the API since the file
	// changed, 0 if there is none: what a restart restores while the file's document is
	// still that of FileHash. DriftText is its document, empty where that is Text,
	// without what the program's code has changed; DriftHash is the hash of it, empty if
	// it makes no sense without that.
	DriftRevision uint64 `json:"drift_revision"`
	DriftText     string `json:"drift_text"`
	DriftHash     string `json:"drift_hash"`
}

// History keeps what was in force and what was refused. Implementations are safe for
// concurrent use and obey the context; package historytest holds one to all of this.
// Their errors are faults: unavailable while the storage cannot be reached, which the
// [Server] waits out; data_corrupt when what is stored fails a check; not_found;
// closed after Close; canceled when the context ended.
type History interface {
	// Add keeps r under the next Seq, and returns when that is durable. It drops what
	// is beyond [HistoryKept] of its outcome. After an error r may be kept or not.
	Add(ctx context.Context, r Record) error
	// List returns the newest records whose Seq is below before, newest first and at
	// most limit of them. before 0 begins with the newest, limit 0 means all.
	List(ctx context.Context, before uint64, limit int) ([]Record, error)
	// Revision returns the applied record of a revision; the newest, should there be
	// several.
	Revision(ctx context.Context, number uint64) (Record, error)
	// Close ends the history; closing again does nothing.
	Close() error
}
