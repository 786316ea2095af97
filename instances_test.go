package foundation_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

func node(name string) func(*foundation.Options) {
	return func(o *foundation.Options) {
		o.Node = name
		o.Instance = func(i *shared.Instance) { i.Address = name + ":9181" }
	}
}

// Each hears of the others within a beat, each counts by its share while the store is away, and one that
// ends is not heard of from then on.
func TestInstances_ShareTheLimitWhileTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		var layers []*foundation.Foundation
		for _, name := range []string{"n1", "n2", "n3"} {
			layers = append(layers, openShared(t, s, sharedRule, node(name)))
			<-time.After(100 * time.Millisecond)
		}
		<-time.After(3 * time.Second)
		for i, f := range layers {
			st := f.Status().Shared
			if st.CountersStatus.Instances != 3 || len(st.InstancesStatus.Instances) != 3 {
				t.Fatalf("layer %d: %+v", i, st)
			}
			for j, o := range st.InstancesStatus.Instances {
				if o.Node != []string{"n1", "n2", "n3"}[j] || o.Address != o.Node+":9181" || o.Self != (i == j) || o.Age > 4*time.Second || o.Verdict != "ok" || o.Revision != 1 || !o.SameConfiguration || o.Started.IsZero() {
					t.Errorf("layer %d sees %+v", i, o)
				}
			}
		}
		s.gone.Store(true)
		sum := 0
		for _, f := range layers {
			ok, at := admitted(t, f, 30)
			if at != ratelimit.Fallback {
				t.Errorf("decided %v", at)
			}
			sum += ok
		}
		if sum < 10 || sum > 12 {
			t.Errorf("three of a limit of 10 admitted %d", sum)
		}
		<-time.After(time.Minute)
		if st := layers[0].Status().Shared; st.CountersStatus.Instances != 3 || st.InstancesStatus.Instances[1].Age < time.Minute {
			t.Errorf("after a minute without the store: %+v", st)
		}
		s.gone.Store(false)
		<-time.After(5 * time.Second)
		if err := layers[2].Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Second)
		if st := layers[0].Status().Shared; st.CountersStatus.Instances != 2 {
			t.Errorf("one has ended: %+v", st)
		}
	})
}

// A process that was killed is heard of for three beats.
func TestInstances_OneThatWasKilledIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		f := openShared(t, s, sharedRule)
		if _, err := s.Beat(t.Context(), shared.Instance{ID: "dead"}, 6*time.Second); err != nil {
			t.Fatal(err)
		}
		<-time.After(5 * time.Second)
		if n := f.Status().Shared.CountersStatus.Instances; n != 2 {
			t.Errorf("%d instances while it may yet beat", n)
		}
		<-time.After(3 * time.Second)
		if n := f.Status().Shared.CountersStatus.Instances; n != 1 {
			t.Errorf("%d instances after it has not", n)
		}
	})
}

func TestInstances_SayWhenTheirConfigurationsDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		a, b := openShared(t, s, sharedRule, node("n1")), openShared(t, s, sharedRule, node("n2"))
		differ := func() (since time.Time, others int) {
			st := a.Status().Shared
			for _, o := range st.InstancesStatus.Instances {
				if !o.SameConfiguration {
					others++
				}
			}
			return st.DifferentSince, others
		}
		<-time.After(3 * time.Second)
		if since, n := differ(); !since.IsZero() || n != 0 {
			t.Errorf("equal ones differ since %v, %d of them", since, n)
		}
		change := func(limit int64) {
			if err := edit(context.Background(), b, func(c *config.Config) {
				r := c.RateLimits["r"]
				r.Limit = limit
				c.RateLimits["r"] = r
			}); err != nil {
				t.Fatal(err)
			}
		}
		change(20)
		at := time.Now()
		<-time.After(time.Minute)
		if since, n := differ(); since.Sub(at) > 4*time.Second || since.Before(at) || n != 1 {
			t.Errorf("since %v, %d", since.Sub(at), n)
		}
		change(10)
		<-time.After(4 * time.Second)
		if since, n := differ(); !since.IsZero() || n != 0 {
			t.Errorf("equal again, and since %v, %d", since, n)
		}
	})
}
