package main

import (
	"context"
	"errors"
	"time"

	eapache "github.com/eapache/go-resiliency/breaker"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/sony/gobreaker/v2"

	"github.com/elixirscope/foundation/breaker"
)

const (
	threshold = 5
	window    = 10 * time.Second
	forever   = time.Hour
)

var errDown = errors.New("the dependency is down")

func breakerScenarios() []scenario {
	var all []scenario
	for _, mode := range modes() {
		all = append(all,
			scenario{"breaker/success/permit/" + mode.name, mode.workers, ourPermit(countRule()), []contender{
				gobreakerTwoStep("gobreaker", fixedWindow()), gobreakerTwoStep("gobreaker-rolling", rollingWindow()),
				failsafeTwoStep("failsafe-window", failsafeWindow()),
			}},
			scenario{"breaker/success/do/" + mode.name, mode.workers, ourDo(countRule(), nil), []contender{
				gobreakerExecute("gobreaker", fixedWindow(), nil), failsafeRun("failsafe-window", failsafeWindow(), nil),
			}},
			scenario{"breaker/success/ratio-rule/" + mode.name, mode.workers, ourPermit(ratioRule()), []contender{
				gobreakerTwoStep("gobreaker-rolling", rollingRatio()), failsafeTwoStep("failsafe-rate", failsafeRate()),
			}},
			scenario{"breaker/refusal/permit/" + mode.name, mode.workers, ourRefusedPermit(), []contender{
				gobreakerRefusedPermit(), failsafeRefusedPermit(),
			}},
			scenario{"breaker/refusal/do/" + mode.name, mode.workers, ourDo(countRule(), errDown), []contender{
				gobreakerExecute("gobreaker", fixedWindow(), errDown), failsafeRun("failsafe-window", failsafeWindow(), errDown),
			}},
			scenario{"breaker/success/unlike:peer-has-no-window-and-no-probe-cap/" + mode.name, mode.workers, ourDo(countRule(), nil), []contender{eapacheRun(nil)}},
			scenario{"breaker/success/unlike:peer-counts-the-last-calls-not-a-time/" + mode.name, mode.workers, ourPermit(countRule()), []contender{
				failsafeTwoStep("failsafe-count", circuitbreaker.NewBuilder[any]().WithFailureThreshold(threshold).WithDelay(forever)),
			}},
		)
	}
	return all
}

func countRule() breaker.Config {
	return breaker.Config{FailureThreshold: threshold, Window: window, Cooldown: forever}
}

func ratioRule() breaker.Config {
	return breaker.Config{FailureRatio: .5, MinCalls: 20, Window: window, Cooldown: forever}
}

func ourBreaker(cfg breaker.Config) *breaker.Breaker {
	return must(breaker.New("bench", cfg))
}

func ourPermit(cfg breaker.Config) contender {
	return contender{name: "ours", start: func() (loop, func()) {
		b := ourBreaker(cfg)
		return func(_, n int) {
			for range n {
				p := b.Allow()
				if !p.OK() {
					panic("refused")
				}
				p.Success()
			}
		}, nil
	}}
}

func ourRefusedPermit() contender {
	return contender{name: "ours", start: func() (loop, func()) {
		b := ourBreaker(countRule())
		for range threshold {
			p := b.Allow()
			p.Failure(errDown)
		}
		return func(_, n int) {
			for range n {
				p := b.Allow()
				if p.OK() {
					panic("admitted")
				}
			}
		}, nil
	}}
}

// ourDo runs a function that returns outcome: once the breaker is open because of
// it, every call is a refusal.
func ourDo(cfg breaker.Config, outcome error) contender {
	return contender{name: "ours", start: func() (loop, func()) {
		b := ourBreaker(cfg)
		ctx := context.Background()
		op := func(context.Context) error { return outcome }
		return func(_, n int) {
			for range n {
				if err := b.Do(ctx, op); (err == nil) != (outcome == nil) {
					panic(err)
				}
			}
		}, nil
	}}
}

func fixedWindow() gobreaker.Settings {
	return gobreaker.Settings{Interval: window, Timeout: forever, ReadyToTrip: func(c gobreaker.Counts) bool { return c.TotalFailures >= threshold }}
}

func rollingWindow() gobreaker.Settings {
	s := fixedWindow()
	s.BucketPeriod = window / 10
	return s
}

func rollingRatio() gobreaker.Settings {
	s := rollingWindow()
	s.ReadyToTrip = func(c gobreaker.Counts) bool { return c.Requests >= 20 && 2*c.TotalFailures >= c.Requests }
	return s
}

func gobreakerTwoStep(name string, s gobreaker.Settings) contender {
	return contender{name: name, start: func() (loop, func()) {
		cb := gobreaker.NewTwoStepCircuitBreaker[struct{}](s)
		return func(_, n int) {
			for range n {
				done, err := cb.Allow()
				if err != nil {
					panic(err)
				}
				done(nil)
			}
		}, nil
	}}
}

func gobreakerRefusedPermit() contender {
	return contender{name: "gobreaker", start: func() (loop, func()) {
		cb := gobreaker.NewTwoStepCircuitBreaker[struct{}](fixedWindow())
		for range threshold {
			done, err := cb.Allow()
			if err != nil {
				panic(err)
			}
			done(errDown)
		}
		return func(_, n int) {
			for range n {
				if _, err := cb.Allow(); err == nil {
					panic("admitted")
				}
			}
		}, nil
	}}
}

func gobreakerExecute(name string, s gobreaker.Settings, outcome error) contender {
	return contender{name: name, start: func() (loop, func()) {
		cb := gobreaker.NewCircuitBreaker[struct{}](s)
		op := func() (struct{}, error) { return struct{}{}, outcome }
		return func(_, n int) {
			for range n {
				if _, err := cb.Execute(op); (err == nil) != (outcome == nil) {
					panic(err)
				}
			}
		}, nil
	}}
}

func failsafeWindow() circuitbreaker.Builder[any] {
	return circuitbreaker.NewBuilder[any]().WithFailureThresholdPeriod(threshold, window).WithDelay(forever)
}

func failsafeRate() circuitbreaker.Builder[any] {
	return circuitbreaker.NewBuilder[any]().WithFailureRateThreshold(.5, 20, window).WithDelay(forever)
}

func failsafeTwoStep(name string, b circuitbreaker.Builder[any]) contender {
	return contender{name: name, start: func() (loop, func()) {
		cb := b.Build()
		return func(_, n int) {
			for range n {
				if !cb.TryAcquirePermit() {
					panic("refused")
				}
				cb.RecordSuccess()
			}
		}, nil
	}}
}

func failsafeRefusedPermit() contender {
	return contender{name: "failsafe-window", start: func() (loop, func()) {
		cb := failsafeWindow().Build()
		cb.Open()
		return func(_, n int) {
			for range n {
				if cb.TryAcquirePermit() {
					panic("admitted")
				}
			}
		}, nil
	}}
}

func failsafeRun(name string, b circuitbreaker.Builder[any], outcome error) contender {
	return contender{name: name, start: func() (loop, func()) {
		executor := failsafe.With[any](b.Build())
		op := func() error { return outcome }
		return func(_, n int) {
			for range n {
				if err := executor.Run(op); (err == nil) != (outcome == nil) {
					panic(err)
				}
			}
		}, nil
	}}
}

func eapacheRun(outcome error) contender {
	return contender{name: "eapache", start: func() (loop, func()) {
		cb := eapache.New(threshold, 1, forever)
		op := func() error { return outcome }
		return func(_, n int) {
			for range n {
				if err := cb.Run(op); (err == nil) != (outcome == nil) {
					panic(err)
				}
			}
		}, nil
	}}
}
