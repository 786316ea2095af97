package shared

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
	"github.com/elixirscope/foundation/ratelimit"
)

// Prefetching takes tokens of a key from the store before calls ask for them, several with
// one round trip. What it promises, with N = min(prefetch, limit/(4·instances),
// burst/(4·instances)) and life = 250 ms:
//
//   - The store admitted every token by the rule. So calls keep the rule exactly, if each
//     counts at the moment at which its token was taken; and from a moment at which no
//     tokens are held on, never more calls are admitted than the rule allows.
//   - A token is used at most life after it was taken, and under fixed_window only within
//     the window in which it was taken: a window never admits more than the limit.
//     Under the other algorithms, the calls of an interval of length x have tokens that
//     were taken in it or up to life before it. So they are at most what the rule allows
//     in x+life, and at most what it allows in x and the tokens that were held when the
//     interval began.
//   - An instance holds at most N tokens of a key, those on their way included: a batch is
//     as large as the room that is left. So all together hold at most
//     min(limit, burst)/4. At saturation a window admits at least the limit less what is
//     held when it ends; under gcra that much less is admitted once, because a token that
//     is not used is given back.
//
// The calls of leaky_bucket are to be spaced evenly, so nothing is taken ahead of them.
const (
	// stocks is how many keys of a rule have tokens at most; each has one of two places.
	stocks = 1024
	// calmLeast and calmMost bound for how long no batch is taken after the store
	// refused one.
	calmLeast, calmMost = 10 * time.Millisecond, time.Second
	sweepEvery          = 100 * time.Millisecond
)

// prefetch is what a rule has taken ahead.
type prefetch struct {
	heat   heat
	stocks [stocks]atomic.Pointer[stock]
	over   atomic.Bool // it was replaced or its rule forgotten
}

// most returns how many tokens an instance may take ahead for a key.
func most(p *Policy, c *ratelimit.Config, instances int64) int64 {
	if p.Prefetch <= 0 || c.Algorithm == ratelimit.LeakyBucket {
		return 0
	}
	n := min(p.Prefetch, min(c.Limit, capacityOf(c))/(4*instances))
	if n < 2 {
		return 0 // one token at a time saves nothing
	}
	return n
}

func (p *prefetch) find(h key.Hash) *stock {
	for _, at := range stockPlaces(h) {
		if s := p.stocks[at].Load(); s != nil && s.hash == h {
			return s
		}
	}
	return nil
}

// take decides a call by a token of its key, if there is one.
func (p *prefetch) take(h key.Hash, ask *ratelimit.RemoteCall, most int64, d *ratelimit.Decision) bool {
	s := p.find(h)
	return s != nil && s.take(ask, most, d)
}

// giveBack returns the tokens of a decision, and reports whether their batch is known.
func (p *prefetch) giveBack(h key.Hash, d *ratelimit.Decision, most int64) bool {
	s := p.find(h)
	return s != nil && s.giveBack(d.Mark, d.Taken, most)
}

// void makes the tokens of a key worthless.
func (p *prefetch) void(h key.Hash) {
	if s := p.find(h); s != nil {
		s.era.Add(1)
	}
}

// admitted notes that the store admitted a call, and takes tokens ahead if its key is hot.
func (p *prefetch) admitted(r *rule, h key.Hash, ask *ratelimit.RemoteCall, most int64) {
	calls := p.heat.note(h, ask.Now)
	s := p.find(h)
	if s == nil || !alike(&s.config, ask.Config) {
		if calls < hot {
			return
		}
		if s = p.place(r, h, ask); s == nil {
			return
		}
	}
	s.kick(ask.Now, most, calls)
}

// place makes a stock for a key, unless both of its places are in use, or another call is
// about to: a key has one.
func (p *prefetch) place(r *rule, h key.Hash, ask *ratelimit.RemoteCall) *stock {
	// A copy of the key: its strings may be parts of something large.
	s := &stock{rule: r, hash: h, key: ratelimit.ParseKey(ask.Key.Text()), config: *ask.Config}
	s.calm.Store(int64(clock.Min))
	for _, at := range stockPlaces(h) {
		old := p.stocks[at].Load()
		if old != nil && old.hash != h && old.live(ask.Now) {
			continue
		}
		if !p.stocks[at].CompareAndSwap(old, s) {
			return nil
		}
		if old != nil {
			old.retireAll()
		}
		if p.twice(s) && p.stocks[at].CompareAndSwap(s, nil) {
			return nil
		}
		r.c.startSweeping()
		return s
	}
	return nil
}

// twice reports whether the key of s has another stock in its other place.
func (p *prefetch) twice(s *stock) bool {
	for _, at := range stockPlaces(s.hash) {
		if other := p.stocks[at].Load(); other != nil && other != s && other.hash == s.hash {
			return true
		}
	}
	return false
}

func stockPlaces(h key.Hash) [2]uint64 { return [2]uint64{h.Lo % stocks, h.Hi >> 1 % stocks} }

// live reports whether a stock has tokens, or is about to.
func (s *stock) live(now clock.Instant) bool {
	b := s.nth(0)
	return s.fills.Load()%2 == 1 || b != nil && now < b.ends
}

// kick takes another batch, beside the callers, if the key is used enough. Calls is
// how many the store has decided lately.
func (s *stock) kick(now clock.Instant, most, calls int64) {
	fills := s.fills.Load()
	if fills%2 == 1 || int64(now) < s.calm.Load() {
		return
	}
	want := max(calls, s.rate(now))
	if want < hot || !s.fills.CompareAndSwap(fills, fills+1) {
		return
	}
	size := min(want, most-s.unused())
	if size < 1 || !s.rule.c.start(func() { s.fill(size) }) {
		s.fills.Add(1)
	}
}

// rate estimates from the newest batch how many tokens a window uses.
func (s *stock) rate(now clock.Instant) int64 {
	b := s.nth(0)
	if b == nil {
		return 0
	}
	used := float64(b.size - b.unused())
	took := max(now.Sub(b.at), time.Millisecond)
	return int64(used * float64(heatWindow) / float64(took))
}

// fill takes a batch of a size, or what the store has left.
func (s *stock) fill(size int64) {
	defer s.fills.Add(1)
	b, rest := s.fetch(size)
	if b == nil && rest > 0 && rest < size {
		b, _ = s.fetch(rest)
	}
	if b == nil {
		return
	}
	s.add(b)
	p := s.rule.ahead.Load()
	if p == nil || p.over.Load() || p.find(s.hash) != s { // its place was given away meanwhile
		s.retireAll()
	}
}

// fetch takes a batch from the store. If that refuses, it says how many it has.
func (s *stock) fetch(size int64) (b *batch, rest int64) {
	r := s.rule
	generation, up := r.c.link.enter()
	now := clock.Now()
	if !up {
		s.calm.Store(int64(now.Add(heatWindow)))
		return nil, 0
	}
	b = &batch{id: r.c.batches.Add(1), size: size, era: s.era.Load(), at: now}
	err := r.c.call(r.c.sending, r.name, generation, func(ctx context.Context) (err error) {
		b.decision, err = r.c.store.Take(ctx, Rule{Name: r.name, Config: s.config}, s.key, size)
		return err
	})
	d := &b.decision
	switch {
	case err != nil:
		s.calm.Store(int64(now.Add(heatWindow)))
		return nil, 0
	case !d.OK:
		s.calm.Store(int64(now.Add(min(max(d.RetryAfter, calmLeast), calmMost))))
		return nil, d.Remaining
	}
	b.ends = now.Add(tokenLife)
	if s.config.Algorithm == ratelimit.FixedWindow {
		b.ends = min(b.ends, now.Add(d.ResetAfter))
	}
	b.left.Store(size)
	ask := ratelimit.RemoteCall{Rule: r.name, Config: &s.config, Key: s.key, Cost: size, Now: now}
	b.token = ratelimit.Decision{OK: true, Source: ratelimit.Prefetched, Limit: d.Limit, Mark: b.id}.WithReceipt(r, ask)
	r.local.mirror(&ask, d)
	return b, 0
}

// revoke gives back every token. Over says that nothing more is to be taken.
func (p *prefetch) revoke() {
	p.over.Store(true)
	for i := range p.stocks {
		if s := p.stocks[i].Swap(nil); s != nil {
			s.retireAll()
		}
	}
}

// sweep gives back tokens that were not used in time, and reports whether any key has a
// stock still.
func (p *prefetch) sweep(now clock.Instant) (left bool) {
	for i := range p.stocks {
		s := p.stocks[i].Load()
		if s == nil {
			continue
		}
		for n := range uint64(2) {
			if b := s.nth(n); b != nil && now >= b.ends {
				s.retire(b)
			}
		}
		if !s.live(now.Add(-time.Second)) && p.stocks[i].CompareAndSwap(s, nil) {
			s.retireAll()
			continue
		}
		left = true
	}
	return left
}

// held returns how many tokens there are.
func (p *prefetch) held() (sum int64) {
	for i := range p.stocks {
		if s := p.stocks[i].Load(); s != nil {
			sum += s.unused()
		}
	}
	return sum
}

// startSweeping starts the goroutine that gives back what is not used in time, if it does
// not run.
func (c *Counters) startSweeping() {
	if c.sweeping.CompareAndSwap(false, true) && !c.start(c.sweepStocks) {
		c.sweeping.Store(false)
	}
}

func (c *Counters) sweepStocks() {
	for clock.Sleep(c.life, sweepEvery) {
		if c.sweepOnce() {
			continue
		}
		c.sweeping.Store(false)
		if !c.sweepOnce() || !c.sweeping.CompareAndSwap(false, true) {
			return
		}
	}
}

func (c *Counters) sweepOnce() (left bool) {
	for _, r := range c.sorted() {
		if p := r.ahead.Load(); p != nil && p.sweep(clock.Now()) {
			left = true
		}
	}
	return left
}
