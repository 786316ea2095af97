package testkit

import (
	"runtime"
	"sync"
)

// Ends are the ways in which code of a user ends its caller.
func Ends() map[string]func() {
	return map[string]func(){"panic": func() { panic("boom") }, "goexit": runtime.Goexit}
}

// RudeError is an error whose methods do what it says, and do not return.
type RudeError func()

// Error implements error.
func (RudeError) Error() string { return "rude" }

// Unwrap is what [errors.As] and [errors.Is] call.
func (e RudeError) Unwrap() error { e(); return nil }

// Is is what [errors.Is] calls.
func (e RudeError) Is(error) bool { e(); return false }

// Apart runs f where it may panic or end the goroutine, and reports whether it did.
func Apart(f func()) (ended bool) {
	ended = true
	var done sync.WaitGroup
	done.Go(func() {
		defer func() { _ = recover() }()
		f()
		ended = false
	})
	done.Wait()
	return ended
}
