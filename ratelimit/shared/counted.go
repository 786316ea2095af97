package shared

import (
	"context"
	"maps"
	"math/big"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
	"github.com/elixirscope/foundation/ratelimit"
)

// counted is what a memory store keeps of the rules of one name. Its keys need not be
// counted alike: some have overrides, and a rule may change. So there is a limiter for each
// configuration; a key that had taken something under another one gets a limiter of its
// own, which takes that over, until it is as if never used.
type counted struct {
	limiters map[ratelimit.Config]*ratelimit.Limiter
	moved    map[key.Hash]*moved
	prune    int // moved keys are looked through when there are so many
}

func newCounted() *counted {
	return &counted{limiters: make(map[ratelimit.Config]*ratelimit.Limiter), moved: make(map[key.Hash]*moved)}
}

// moved is the limiter of one key.
type moved struct {
	limiter *ratelimit.Limiter
	config  ratelimit.Config
	key     ratelimit.Key
}

// leastPrune is how many moved keys are worth looking through.
const leastPrune = 1024

// limiter returns what counts a key by a rule.
func (c *counted) limiter(rule Rule, k ratelimit.Key, now clock.Instant) (*ratelimit.Limiter, error) {
	h := k.Hash(key.All)
	if m := c.moved[h]; m != nil {
		if m.config == rule.Config || !unused(m.limiter, k, now) {
			err := m.limiter.ReconfigureAt(now, rule.Config)
			if err == nil {
				m.config = rule.Config
			}
			return m.limiter, err
		}
		delete(c.moved, h)
	}
	l := c.limiters[rule.Config]
	if l == nil {
		var err error
		if l, err = ratelimit.New(rule.Name, rule.Config); err != nil {
			return nil, err
		}
		c.limiters[rule.Config] = l
	}
	for config, other := range c.limiters {
		if other != l && !unused(other, k, now) {
			return c.move(rule, k, other, config, now)
		}
	}
	return l, nil
}

func unused(l *ratelimit.Limiter, k ratelimit.Key, now clock.Instant) bool {
	d := l.PeekAt(now, k, 0)
	return d.ResetAfter <= 0
}

// move gives a key that was counted by from a limiter of its own.
func (c *counted) move(rule Rule, k ratelimit.Key, from *ratelimit.Limiter, config ratelimit.Config, now clock.Instant) (*ratelimit.Limiter, error) {
	l, err := ratelimit.New(rule.Name, config)
	if err != nil {
		return nil, err
	}
	d := from.PeekAt(now, k, 0)
	seed := ratelimit.Decision{}
	if _, err = l.Admit(context.Background(), &seed, now, &k, taken(&config, &d), -1); err == nil {
		err = from.Reset(k, "")
	}
	if err == nil {
		err = l.ReconfigureAt(now, rule.Config)
	}
	if err != nil {
		return nil, err
	}
	c.pruneMoved(now)
	c.moved[k.Hash(key.All)] = &moved{l, rule.Config, k}
	return l, nil
}

// taken returns what a key has taken, rounded up.
func taken(c *ratelimit.Config, d *ratelimit.Decision) int64 {
	if c.Algorithm != ratelimit.GCRA && c.Algorithm != ratelimit.LeakyBucket {
		return d.Limit - d.Remaining
	}
	// What a bucket lacks is ahead·limit/per. A leaky bucket has one place more than its limit.
	per := int64(c.Per)
	if per == 0 {
		per = 1e9
	}
	n := new(big.Int).Mul(big.NewInt(int64(d.ResetAfter)), big.NewInt(c.Limit))
	n.Add(n, big.NewInt(per-1)).Div(n, big.NewInt(per))
	return min(n.Int64(), d.Limit)
}

// pruneMoved forgets moved keys that are as if never used.
func (c *counted) pruneMoved(now clock.Instant) {
	if len(c.moved) < max(c.prune, leastPrune) {
		return
	}
	maps.DeleteFunc(c.moved, func(_ key.Hash, m *moved) bool { return unused(m.limiter, m.key, now) })
	c.prune = 2 * len(c.moved)
}
