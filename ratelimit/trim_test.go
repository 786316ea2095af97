package ratelimit_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/ratelimit"
)

// A table that most keys have left becomes small, and no key that still counts forgets what
// it has used.
func TestTrim_GivesBackWhatIsSpentAndForgetsNothing(t *testing.T) {
	for name, cfg := range map[string]ratelimit.Config{
		"a word a key": {Limit: 10, Per: time.Minute}, "cells": {Algorithm: ratelimit.SlidingLog, Limit: 10, Per: time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			l, err := ratelimit.New("r", cfg)
			if err != nil {
				t.Fatal(err)
			}
			const keys = 50_000
			for i := range keys {
				l.Allow(ratelimit.KeyOf("spent", i))
			}
			if freed := l.Trim(); freed != 0 {
				t.Errorf("%s: %d bytes of keys that count were given back", name, freed)
			}
			time.Sleep(2 * time.Minute)
			for i := range 100 {
				l.AllowN(ratelimit.KeyOf("used", i), 7)
			}
			if freed := l.Trim(); freed < keys*24/2 {
				t.Errorf("%s: only %d bytes were given back", name, freed)
			}
			if n := l.Status().TrackedKeys; n != 100 {
				t.Errorf("%s: %d keys are left", name, n)
			}
			for i := range 100 {
				if d := l.Peek(ratelimit.KeyOf("used", i)); d.Remaining != 3 {
					t.Fatalf("%s: key %d has %d left", name, i, d.Remaining)
				}
			}
			if freed := l.Trim(); freed != 0 {
				t.Errorf("%s: a second time gives %d bytes", name, freed)
			}
			for i := range keys {
				if d := l.Allow(ratelimit.KeyOf("fresh", i)); !d.OK {
					t.Fatalf("%s: a new key is refused: %+v", name, d)
				}
			}
		})
	}
}

// Trimming while calls run admits no more than the limit.
func TestTrim_WhileCallsRun(t *testing.T) {
	l, err := ratelimit.New("r", ratelimit.Config{Limit: 5, Per: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	const keys, workers = 2000, 4
	admitted := make(chan int)
	for range workers {
		go func() {
			n := 0
			for round := range 4 {
				for i := range keys {
					if l.Allow(ratelimit.KeyOf("k", (i+round*17)%keys)).OK {
						n++
					}
				}
			}
			admitted <- n
		}()
	}
	total, left := 0, workers
	for left > 0 {
		select {
		case n := <-admitted:
			total, left = total+n, left-1
		default:
			l.Trim()
		}
	}
	if total != 5*keys {
		t.Errorf("%d calls were admitted, want %d", total, 5*keys)
	}
}
