package shared

import (
	"context"
	"time"
)

// Instance is one of the processes that share a store, as it describes itself.
type Instance struct {
	// ID tells it from all others, also from itself before a restart.
	ID string
	// Node is where it runs; Address is where its admin API listens, empty without one.
	Node, Address string
	// Version is the program's.
	Version string
	// Revision and Hash are of its configuration: instances with one hash count alike.
	Revision uint64
	Hash     string
	// Verdict is how it is, in a word, as its status says.
	Verdict string
	// Started is when it began, by its own clock; Seen when it was last heard of, by the store's.
	Started, Seen time.Time
}

// Fleet is implemented by a [Store] through which processes know of each other.
type Fleet interface {
	// Beat says that self is there, until ttl has gone by without another beat, and returns
	// every instance that is, itself included, in the order of their IDs.
	Beat(ctx context.Context, self Instance, ttl time.Duration) ([]Instance, error)
	// Leave says that an instance has ended.
	Leave(ctx context.Context, id string) error
}

// Inspector is implemented by a [Store] that can say what is wrong with its server before
// it is relied upon.
type Inspector interface {
	// Inspect returns what the server is, in a few words ("redis 7.0.15, cluster"), and what
	// operators should know and change, each in a sentence: an eviction policy that
	// may drop counters. What the store cannot work with is an error.
	Inspect(ctx context.Context) (server string, warnings []string, err error)
}
