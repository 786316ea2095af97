package gateway

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/key"
)

// held is what the clients of one route hold. It outlives reloads, as the requests do:
// a table takes it over from the table before it.
type held struct {
	keys     inFlight
	upgraded atomic.Int64
}

// inFlight counts the requests of each key that are in flight. A key is there as long
// as it has one, so the table is never larger than the number of requests. The zero
// value is ready.
type inFlight struct {
	shards [inFlightShards]inFlightShard
}

const (
	inFlightShards = 64
	// keptEntries is how large the map of a shard may have been to be kept once it is
	// empty: maps do not shrink.
	keptEntries = 64
)

type inFlightShard struct {
	// mu guards the fields below. Nothing is called under it.
	mu     sync.Mutex
	counts map[key.Hash]int
	most   int // entries since the map was made
	_      [40]byte
}

// take counts a request of a key, unless the key has as many as limit in flight.
func (f *inFlight) take(k key.Hash, limit int) bool {
	s := &f.shards[k.Lo%inFlightShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.counts[k]
	if n >= limit {
		return false
	}
	if s.counts == nil {
		s.counts = map[key.Hash]int{}
	}
	s.counts[k] = n + 1
	s.most = max(s.most, len(s.counts))
	return true
}

// release ends a request that was taken.
func (f *inFlight) release(k key.Hash) {
	s := &f.shards[k.Lo%inFlightShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.counts[k]; n > 1 {
		s.counts[k] = n - 1
		return
	}
	delete(s.counts, k)
	if len(s.counts) == 0 && s.most > keptEntries {
		s.counts, s.most = nil, 0
	}
}

// heldKey says by what a route counts what is in flight: by the client's address where
// the key has it, because the other parts may be what the client chooses.
func heldKey(parts keyTemplate) keyTemplate {
	for i := range parts {
		if parts[i].Kind == settings.KeyRemoteIP {
			return parts[i : i+1]
		}
	}
	return parts
}

// pauseOfHeld is when a client that holds too much is told to come back: how long the
// others take nobody knows.
const pauseOfHeld = time.Second

// tooManyOfKey refuses a request of a key that has too many in flight. The guard does
// not hear of it, so that it costs neither a place nor a token.
func (rt *route) tooManyOfKey(w http.ResponseWriter, r *http.Request) {
	refuse(w, r, fault.New(fault.Spec{
		Code: fault.InFlightLimited, Component: "gateway", Name: rt.guardName, RetryAt: time.Now().Add(pauseOfHeld),
		Evidence: []fault.Fact{fault.Measure("max_in_flight_per_key", float64(rt.maxPerKey), "")},
	}))
}
