package upstreams

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/outcome"
)

// usual is a policy as a route has it by default, but for round numbers.
var usual = Policy{Failures: 5, Rate: 0.5, Volume: 20, Window: 10 * time.Second, For: 10 * time.Second, MaxFor: time.Minute, SlowStart: 10 * time.Second}

// kit is a set whose time and chance are the test's.
type kit struct {
	*testing.T

	set     *Set
	now     clock.Instant
	changes []Change
}

func newKit(t *testing.T, policy Policy, hosts int) *kit {
	t.Helper()
	k := &kit{T: t}
	k.set = New(func(c Change) { k.changes = append(k.changes, c) })
	k.set.random = rand.New(rand.NewPCG(1, 2)).Uint64
	k.set.Use(policy, members(hosts), k.now)
	return k
}

func members(n int) (list []Member) {
	for i := range n {
		list = append(list, Member{Name: name(i), Peer: &Peer{}})
	}
	return list
}

func name(i int) string { return fmt.Sprintf("10.0.0.%d:80", i+1) }

func (k *kit) host(i int) *Host {
	k.Helper()
	for _, e := range k.set.view.Load().all {
		if e.name == name(i) {
			return e.Host
		}
	}
	k.Fatalf("there is no host %s", name(i))
	return nil
}

// end makes n attempts at a host that end so.
func (k *kit) end(i, n int, o outcome.Outcome) {
	k.Helper()
	for range n {
		a := k.host(i).Begin()
		k.settle(&a, o)
	}
}

func (k *kit) settle(a *Attempt, o outcome.Outcome) {
	k.set.settle(a.host, a.epoch, o, LastError{Class: "refused"}, k.now)
	a.settled = true
	a.Leave()
}

func (k *kit) state(i int) HostStatus {
	k.Helper()
	for _, h := range k.set.Status(k.now).Hosts {
		if h.Name == name(i) {
			return h
		}
	}
	k.Fatalf("there is no host %s", name(i))
	return HostStatus{}
}

func (k *kit) wants(i int, want State) {
	k.Helper()
	if got := k.state(i); got.State != want {
		k.Fatalf("%s is %v, want %v", got.Name, got.State, want)
	}
}

// chosen counts n choices by host.
func (k *kit) chosen(n int) map[string]int {
	counts := map[string]int{}
	for range n {
		counts[k.next(nil, nil).Name()]++
	}
	return counts
}

func (k *kit) pass(d time.Duration) { k.now = k.now.Add(d) }

func (k *kit) named(n string) *Host {
	k.Helper()
	for _, h := range k.set.hosts {
		if h.name == n {
			return h
		}
	}
	k.Fatalf("there is no host %s", n)
	return nil
}

// ejectionOf is how long the next ejection of a host is, told by what it had.
func (k *kit) ejectionOf(n string, p Policy) time.Duration {
	m := k.set.machine.members[k.named(n).index]
	taken := 0
	if most := int(math.Ceil(p.MaxFor.Seconds() / p.For.Seconds())); !m.probation && m.weight > most {
		m.weight = most
	}
	for at := m.good.Add(p.For); !m.probation && at <= k.now && taken < m.weight; at = at.Add(p.For) {
		taken++
	}
	return min(p.MaxFor, time.Duration(m.weight-taken+1)*p.For)
}

func (k *kit) next(tried []*Host, admits func(string) bool) *Host {
	c := k.choose(tried, admits)
	c.Drop()
	return c.Host
}

// choose is next for an attempt that is to begin.
func (k *kit) choose(tried []*Host, admits func(string) bool) Choice {
	return k.set.next(k.set.view.Load(), k.now, tried, admits)
}
