package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/elixirscope/foundation/adapters/sqlite"
	"github.com/elixirscope/foundation/eventstore"
)

// fill measures the size of the database with so many events, its opening, and
// queries among more.
func fill(ctx context.Context, dir string, stored, among int) error {
	n := 0
	for _, upTo := range []int{stored, among} {
		if upTo <= n {
			continue
		}
		if err := add(ctx, dir, n, upTo); err != nil {
			return err
		}
		n = upTo
		info, err := os.Stat(filepath.Join(dir, "foundation.db"))
		if err != nil {
			return err
		}
		begin := time.Now()
		s, err := sqlite.Open(ctx, dir, sqlite.Options{})
		if err != nil {
			return err
		}
		fmt.Printf("%d events: %.0f bytes each on disk, opened in %v\n", n, float64(info.Size())/float64(n), time.Since(begin).Round(100*time.Microsecond))
		if err := queries(ctx, s.Events(), n); err != nil {
			return err
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	return nil
}

func add(ctx context.Context, dir string, from, to int) error {
	s, err := sqlite.Open(ctx, dir, sqlite.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	events := s.Events()
	for n := from; n < to; {
		group := make([]eventstore.Event, min(2000, to-n))
		for i := range group {
			group[i] = event(n%256, n)
			n++
		}
		if _, err := events.Append(ctx, group...); err != nil {
			return err
		}
	}
	return nil
}

func queries(ctx context.Context, s eventstore.Store, n int) error {
	for _, q := range []struct {
		name  string
		query func(i int) eventstore.Query
	}{
		{"a correlation", func(i int) eventstore.Query {
			k := i * n / 101
			return eventstore.Query{Correlation: event(k%256, k).Correlation}
		}},
		{"the newest 100", func(int) eventstore.Query { return eventstore.Query{Order: eventstore.Descending} }},
		{"the newest 100 of 15 minutes", func(int) eventstore.Query {
			return eventstore.Query{Since: time.Now().Add(-15 * time.Minute), Order: eventstore.Descending}
		}},
		{"a type that is not there", func(int) eventstore.Query { return eventstore.Query{Type: "none.*"} }},
	} {
		rounds := 100
		if q.name == "a type that is not there" {
			rounds = 3
		}
		var took []time.Duration
		for i := range rounds {
			begin := time.Now()
			if _, err := s.Find(ctx, q.query(i)); err != nil {
				return err
			}
			took = append(took, time.Since(begin))
		}
		slices.Sort(took)
		fmt.Printf("  %s: median %v, slowest of %d %v\n", q.name, took[rounds/2].Round(time.Microsecond), rounds, took[rounds-1].Round(time.Microsecond))
	}
	return nil
}
