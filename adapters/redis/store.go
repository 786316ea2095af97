package redis

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// Options are what a [Store] needs to know.
type Options struct {
	// Namespace is the beginning of every key. It is required, and "default" is refused:
	// two programs that share a server by chance would share their limits. Those that
	// count together must use the same.
	Namespace string
	// Timeout bounds one exchange with the server, 1 second by default. Callers whose
	// contexts end sooner do not wait for it.
	Timeout time.Duration
}

const defaultTimeout = time.Second

// Store keeps counters in Redis. It is safe for concurrent use. Close it at the end.
type Store struct {
	client    redis.UniversalClient
	own       bool // Close closes the client
	namespace string
	timeout   time.Duration

	tick  time.Duration
	check func(shared.Rule) error
	clock func(to []byte) []byte // only in tests: the last argument of the script

	lanes []lane // one, or one for each tag
	work  sync.WaitGroup
	ends  atomic.Pointer[time.Time] // when Close waits no longer; nil before it is called
	known rules
}

var (
	_ shared.Store     = (*Store)(nil)
	_ shared.Fleet     = (*Store)(nil)
	_ shared.Inspector = (*Store)(nil)
)

// New returns a store that uses a client of the caller's, which it does not close. The
// client should have ContextTimeoutEnabled; its retries do not matter, a take is not
// retried. Nothing is sent yet; [Store.Inspect] says whether the server will do.
func New(client redis.UniversalClient, o Options) (*Store, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Store{client: client, namespace: o.Namespace, timeout: o.Timeout, tick: time.Microsecond, check: shared.Rule.Validate}
	if s.timeout == 0 {
		s.timeout = defaultTimeout
	}
	s.lanes = make([]lane, 1)
	if clustered(client) {
		s.lanes = make([]lane, len(tags))
	}
	for i := range s.lanes {
		s.lanes[i].store = s
	}
	return s, nil
}

func (o Options) validate() error {
	var ps fault.Problems
	switch o.Namespace {
	case "":
		ps.Add("namespace", "", "is missing: programs that share a server by chance would share their limits")
	case "default":
		ps.Add("namespace", o.Namespace, "must be a name of your own, such as production: programs that share a server by chance would share their limits")
	default:
		ps.Require(fault.ValidName(o.Namespace), "namespace", o.Namespace, "must be a name as [a-z0-9][a-z0-9_.-]{0,62}")
	}
	ps.Require(o.Timeout >= 0, "timeout", o.Timeout, "must be longer than 0")
	return ps.Err(component, "redis")
}

// Close sends what is queued, waits for it, for the store's timeout at most, and closes
// the client if [Open] made it. Later calls are refused with [fault.Closed].
func (s *Store) Close() error {
	at := time.Now().Add(s.timeout)
	s.ends.CompareAndSwap(nil, &at)
	for i := range s.lanes {
		s.lanes[i].close()
	}
	s.work.Wait()
	if s.own {
		return s.client.Close()
	}
	return nil
}

// Take implements [shared.Store].
func (s *Store) Take(ctx context.Context, rule shared.Rule, key ratelimit.Key, cost int64) (ratelimit.Decision, error) {
	return s.decide(ctx, shared.Take{Rule: rule, Key: key, Cost: cost}, take)
}

// Peek implements [shared.Store].
func (s *Store) Peek(ctx context.Context, rule shared.Rule, key ratelimit.Key, cost int64) (ratelimit.Decision, error) {
	return s.decide(ctx, shared.Take{Rule: rule, Key: key, Cost: cost}, peek)
}

func (s *Store) decide(ctx context.Context, t shared.Take, what byte) (ratelimit.Decision, error) {
	rule, err := s.counted(ctx, t.Rule)
	if err != nil || rule.capacity == 0 {
		return ratelimit.Decision{Source: ratelimit.Shared}, err
	}
	c, tag := s.newCall(ctx, rule, t, what)
	if err := s.lane(tag).ask(ctx, c); err != nil {
		return ratelimit.Decision{}, err
	}
	d := c.decision(t.Cost)
	free(c)
	return d, nil
}

// decision is the answer to a call of a cost, also one that the rule can never admit.
func (c *call) decision(cost int64) ratelimit.Decision {
	if never := cost < 0 || cost > c.rule.capacity; never {
		d := c.rule.answer(c.got, c.now, 0, peek)
		d.OK, d.RetryAfter = false, 0
		return d
	}
	return c.rule.answer(c.got, c.now, cost, c.what)
}

// newCall returns the call of t. One whose cost can never be admitted asks for the
// numbers, and so for nothing.
func (s *Store) newCall(ctx context.Context, rule *counted, t shared.Take, what byte) (*call, int) {
	c := calls.Get().(*call) //nolint:errcheck,forcetypeassert // nothing else is put there
	c.rule, c.what = rule, what
	c.deadline, _ = ctx.Deadline()
	var tag int
	c.key, tag = s.keyOf(rule.Name, t.Key)
	if t.Cost >= 0 && t.Cost <= rule.capacity {
		c.cost = rule.cost(t.Cost)
	}
	return c, tag
}

var calls = sync.Pool{New: func() any { return &call{done: make(chan struct{}, 1)} }}

// free keeps a call for another use. One whose caller gave up is not kept: it may still
// be answered.
func free(c *call) {
	*c = call{done: c.done}
	calls.Put(c)
}

func (s *Store) lane(tag int) *lane { return &s.lanes[tag%len(s.lanes)] }

// Refund implements [shared.Store]. Under gcra it gives back
// min(c·T, e − R − now) of the formula in docs/rate-limits.md, or all that is ahead if
// the call was the latest: when the call was made is not known here.
func (s *Store) Refund(ctx context.Context, rule shared.Rule, key ratelimit.Key, d ratelimit.Decision) error {
	r, err := s.counted(ctx, rule)
	if err != nil || d.Taken <= 0 || d.Taken > r.capacity || d.Mark < 0 {
		return err
	}
	c, tag := s.newCall(ctx, r, shared.Take{Rule: rule, Key: key, Cost: d.Taken}, refund)
	c.mark, c.generation = d.Mark&(1<<markBits-1), d.Mark>>markBits
	if err = s.lane(tag).ask(ctx, c); err == nil {
		free(c)
	}
	return err
}

// Reset implements [shared.Store].
func (s *Store) Reset(ctx context.Context, rule shared.Rule, key ratelimit.Key) error {
	r, err := s.counted(ctx, rule)
	if err != nil {
		return err
	}
	c, tag := s.newCall(ctx, r, shared.Take{Rule: rule, Key: key}, reset)
	if err = s.lane(tag).ask(ctx, c); err == nil {
		free(c)
	}
	return err
}

// counted returns the numbers of a rule, or why it cannot be counted here.
func (s *Store) counted(ctx context.Context, rule shared.Rule) (*counted, error) {
	if ctx.Err() != nil {
		return nil, gone(ctx, rule.Name)
	}
	rule.Config.Parts, rule.Config.MaxKeys, rule.Config.Mode = 0, 0, 0
	if c := s.known.find(rule); c != nil {
		return c, nil
	}
	if err := s.check(rule); err != nil {
		return nil, err
	}
	return s.known.keep(newCounted(rule, s.tick)), nil
}

// rules remembers the numbers of rules. Those of a program are few, but those of its overrides may be many.
type rules struct {
	mu sync.RWMutex // guards of
	of map[shared.Rule]*counted
}

const maxRules = 4096

func (r *rules) find(rule shared.Rule) *counted {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.of[rule]
}

func (r *rules) keep(c *counted) *counted {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.of[c.Rule]; known != nil {
		return known
	}
	if r.of == nil || len(r.of) >= maxRules {
		r.of = make(map[shared.Rule]*counted)
	}
	r.of[c.Rule] = c
	return c
}
