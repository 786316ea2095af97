package redis

import (
	"context"
	_ "embed" // the script
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

//go:embed beat.lua
var beatSource string

var beatScript = redis.NewScript(beatSource)

// wire is an instance as it is stored, which other versions of this program read.
type wire struct {
	ID       string    `json:"id"`
	Node     string    `json:"node,omitempty"`
	Address  string    `json:"address,omitempty"`
	Version  string    `json:"version,omitempty"`
	Revision uint64    `json:"revision,omitempty"`
	Hash     string    `json:"hash,omitempty"`
	Verdict  string    `json:"verdict,omitempty"`
	Started  time.Time `json:"started"`
}

// fleetKey is one hash of all instances, with a field for each.
func (s *Store) fleetKey() string { return s.namespace + ":{instances}" }

// Beat implements [shared.Fleet]. Times are the server's. An entry that is not renewed is
// dropped by the next beat of any other instance, and all of them expire with the last.
func (s *Store) Beat(ctx context.Context, self shared.Instance, ttl time.Duration) ([]shared.Instance, error) {
	if self.ID == "" || ttl < time.Millisecond {
		return nil, fault.New(fault.Spec{
			Code: fault.InvalidArgument, Component: component, Name: "instances",
			Message: fmt.Sprintf("an instance needs an ID, not %q, and a time to live of at least 1 ms, not %v", self.ID, ttl),
		})
	}
	text, err := json.Marshal(wire{self.ID, self.Node, self.Address, self.Version, self.Revision, self.Hash, self.Verdict, self.Started.UTC()})
	if err != nil {
		return nil, unavailable("instances", "this instance could not be described", err)
	}
	reply, err := s.fleet(ctx, self.ID, text, ttl.Milliseconds())
	if err != nil {
		return nil, err
	}
	return readFleet(reply)
}

// Leave implements [shared.Fleet].
func (s *Store) Leave(ctx context.Context, id string) error {
	_, err := s.fleet(ctx, id, nil, 0)
	return err
}

func (s *Store) fleet(ctx context.Context, id string, text []byte, ttl int64) ([]string, error) {
	if ctx.Err() != nil {
		return nil, gone(ctx, "instances")
	}
	limited, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	reply, err := beatScript.Run(limited, s.client, []string{s.fleetKey()}, id, text, ttl).StringSlice()
	switch {
	case ctx.Err() != nil:
		return nil, gone(ctx, "instances")
	case err != nil:
		return nil, s.fleetFault(err)
	}
	return reply, nil
}

// fleetFault is the error of a server about the list of instances. What is wrong with that alone
// says nothing about the counters, and must not make the store seem away.
func (s *Store) fleetFault(err error) error {
	spec := fault.Spec{Code: fault.Unavailable, Component: component, Name: "instances", Message: "redis could not be asked", Cause: err}
	switch text := err.Error(); {
	case strings.Contains(text, "WRONGTYPE"):
		spec.Code = fault.DataCorrupt
		spec.Message = fmt.Sprintf("the value of %q in redis is not the list of the instances: something else writes keys of this form; give the store a namespace of its own, or delete the key", s.fleetKey())
	case strings.Contains(text, "NOPERM"), strings.Contains(text, "user executing the script can't"):
		spec.Code = fault.InvalidConfig
		spec.Message = "redis does not let its user keep the list of the instances, which needs HSET, HDEL, HGETALL and PEXPIRE for keys that begin with the namespace"
	}
	return fault.New(spec)
}

// readFleet reads pairs of when an instance was seen, in microseconds, and its text.
func readFleet(reply []string) ([]shared.Instance, error) {
	var all []shared.Instance
	for pair := range slices.Chunk(reply, 2) {
		var w wire
		var seen int64
		if _, err := fmt.Sscan(pair[0], &seen); err != nil || len(pair) < 2 || json.Unmarshal([]byte(pair[1]), &w) != nil || w.ID == "" {
			continue // of a version that writes another form, or not ours
		}
		all = append(all, shared.Instance{
			ID: w.ID, Node: w.Node, Address: w.Address, Version: w.Version, Revision: w.Revision, Hash: w.Hash, Verdict: w.Verdict,
			Started: w.Started, Seen: time.UnixMicro(seen).UTC(),
		})
	}
	slices.SortFunc(all, func(a, b shared.Instance) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}
