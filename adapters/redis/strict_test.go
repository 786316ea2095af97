package redis_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	redisstore "github.com/elixirscope/foundation/adapters/redis"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/redistest"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

func take(t *testing.T, s shared.Store, rule shared.Rule, key ratelimit.Key, cost int64) ratelimit.Decision {
	t.Helper()
	d, err := s.Take(t.Context(), rule, key, cost)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestNamespacesDoNotMeet(t *testing.T) {
	address := single(t).URL()
	a, b := open(t, address, "a"), open(t, address, "a.b")
	for _, s := range []*redisstore.Store{a, b} {
		if d := take(t, s, hourly(1), user, 1); !d.OK {
			t.Error("another namespace's call counts")
		}
	}
	if _, err := a.Beat(t.Context(), shared.Instance{ID: "1"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if all, err := b.Beat(t.Context(), shared.Instance{ID: "2"}, time.Minute); err != nil || len(all) != 1 {
		t.Error(all, err)
	}
}

func TestNamespacesThatAreRefused(t *testing.T) {
	for _, namespace := range []string{"", "default", "a:b", "{a}", "A", strings.Repeat("x", 64)} {
		_, err := redisstore.Open("redis://127.0.0.1:1", redisstore.Options{Namespace: namespace, Timeout: -1})
		var f *fault.Error
		if !errors.As(err, &f) || f.Code() != fault.InvalidConfig || len(f.Problems()) != 2 {
			t.Errorf("%q: %v", namespace, err)
		}
	}
}

// Keys of every kind are kept apart, and none of what they contain is in the server.
func TestKeysOfEveryKind(t *testing.T) {
	cluster, node := oneNode(t)
	one := single(t)
	for address, server := range map[string]*redistest.Server{one.URL(): one, cluster: node} {
		s := fresh(t, address)
		secret := "s3cr3t"
		keys := []ratelimit.Key{
			{},
			ratelimit.KeyOf(""), ratelimit.KeyOf("{a}"), ratelimit.KeyOf("}a{"), ratelimit.KeyOf("{}"), ratelimit.KeyOf("a:b", "c"), ratelimit.KeyOf("a", "b:c"),
			ratelimit.KeyOf("a\nb"), ratelimit.KeyOf("a\r\nb"), ratelimit.KeyOf("a\x00b"), ratelimit.KeyOf(strings.Repeat(secret, 40<<10/6)),
			ratelimit.KeyOf(strings.Repeat(secret, 40<<10/6) + "!"), ratelimit.KeyOf("\xff\xfe"), ratelimit.KeyOf(true), ratelimit.KeyOf("true"),
		}
		for _, name := range []string{"rule", secret, "a b"} {
			rule := shared.Rule{Name: name, Config: ratelimit.Config{Limit: 1, Per: time.Hour}}
			for i, k := range keys {
				if first, second := take(t, s, rule, k, 1), take(t, s, rule, k, 1); !first.OK || second.OK {
					t.Errorf("rule %q, key %d: %v, %v", name, i, first.OK, second.OK)
				}
			}
		}
		for key := range strings.Lines(redistest.Run(t, server, "KEYS", "*")) {
			if key = strings.TrimSuffix(key, "\n"); strings.Contains(key, secret) || len(key) > 40 {
				t.Errorf("the key %q is in the server", key)
			}
		}
		if got := redistest.Run(t, server, "DBSIZE"); got != "45" {
			t.Errorf("%s keys for 45 counters", got)
		}
	}
}

// The tags lie in slots that are spread evenly, which no change may alter: other tags
// are other counters.
func TestTagsAreSpreadOverTheSlots(t *testing.T) {
	_, node := oneNode(t)
	for i, tag := range redisstore.Tags {
		slot := 0
		for _, digit := range redistest.Run(t, node, "CLUSTER", "KEYSLOT", "x:{"+tag+"}y") {
			slot = slot*10 + int(digit-'0')
		}
		if slot*len(redisstore.Tags)/16384 != i {
			t.Errorf("tag %d, %q, has slot %d", i, tag, slot)
		}
	}
}

// A server that has forgotten the script, or everything, is told it again.
func TestAServerThatForgets(t *testing.T) {
	server := single(t)
	s := fresh(t, server.URL())
	take(t, s, hourly(10), user, 4)
	redistest.Run(t, server, "SCRIPT", "FLUSH")
	if d := take(t, s, hourly(10), user, 1); d.Remaining != 5 {
		t.Errorf("after SCRIPT FLUSH: %+v", d)
	}
	redistest.Run(t, server, "FLUSHALL")
	if d := take(t, s, hourly(10), user, 1); d.Remaining != 9 {
		t.Errorf("after FLUSHALL: %+v", d)
	}
	before := take(t, s, hourly(10), user, 3)
	redistest.Restart(t, server)
	for range 10 { // the connections of the pool have gone with the server
		if _, err := s.Take(t.Context(), hourly(10), ratelimit.KeyOf("other"), 1); err == nil {
			break
		}
	}
	after := take(t, s, hourly(10), user, 1)
	if after.Remaining != 9 {
		t.Errorf("after a restart: %+v", after)
	}
	if err := s.Refund(t.Context(), hourly(10), user, before); err != nil {
		t.Error(err)
	}
}

// What is not ours is an error of the calls of that key alone, and stays.
func TestValuesThatAreNotOurs(t *testing.T) {
	server := single(t)
	s := fresh(t, server.URL())
	mine := shared.Take{Rule: hourly(10), Key: ratelimit.KeyOf("mine"), Cost: 1}
	take(t, s, mine.Rule, mine.Key, 1)
	ours := redistest.Run(t, server, "GET", s.KeyOf(mine))
	for name, set := range map[string][]string{
		"a list": {"RPUSH", "x"}, "a hash": {"HSET", "f", "v"}, "nothing": {"SET", ""}, "a number": {"SET", "1"}, "a text": {"SET", "some text that is as long as a value is"},
		"a part of ours": {"SET", ours[:20]}, "more than ours": {"SET", ours + "x"}, "zeros": {"SET", ours[:2] + strings.Repeat("\x00", 38)}, "all ones": {"SET", ours[:2] + strings.Repeat("\xff", 38)},
		"an unknown algorithm": {"SET", ours[:1] + "\x63" + ours[2:]},
	} {
		theirs := shared.Take{Rule: hourly(10), Key: ratelimit.KeyOf(name), Cost: 1}
		key := s.KeyOf(theirs)
		redistest.Run(t, server, append([]string{set[0], key}, set[1:]...)...)
		before := redistest.Run(t, server, "DUMP", key)
		_, err := s.Take(t.Context(), theirs.Rule, theirs.Key, 1)
		if !errors.Is(err, fault.DataCorrupt) || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Peek(t.Context(), theirs.Rule, theirs.Key, 1); !errors.Is(err, fault.DataCorrupt) {
			t.Errorf("%s, a peek: %v", name, err)
		}
		if err := s.Refund(t.Context(), theirs.Rule, theirs.Key, take(t, s, mine.Rule, mine.Key, 0)); err != nil {
			t.Errorf("%s, a refund of nothing: %v", name, err)
		}
		if redistest.Run(t, server, "DUMP", key) != before {
			t.Errorf("%s was overwritten", name)
		}
		if _, err := s.TakeAll(t.Context(), []shared.Take{mine, theirs}); !errors.Is(err, fault.DataCorrupt) {
			t.Errorf("%s in a batch: %v", name, err)
		}
		if err := s.Reset(t.Context(), theirs.Rule, theirs.Key); err != nil {
			t.Errorf("%s, a reset: %v", name, err)
		}
		take(t, s, theirs.Rule, theirs.Key, 1)
	}
}

// One key that is not ours must not fail the calls of others that go in the same script.
func TestAValueThatIsNotOursFailsItsOwnCallsAlone(t *testing.T) {
	server := single(t)
	s := fresh(t, server.URL())
	theirs := shared.Take{Rule: hourly(10), Key: ratelimit.KeyOf("theirs"), Cost: 1}
	redistest.Run(t, server, "RPUSH", s.KeyOf(theirs), "x")
	var failed atomic.Int64
	done := make(chan struct{})
	for i := range 64 {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 20 {
				key := ratelimit.KeyOf(i)
				if i%8 == 0 {
					key = theirs.Key
				}
				_, err := s.Take(t.Context(), hourly(1000), key, 1)
				switch {
				case err != nil && i%8 != 0:
					t.Error(err)
				case err != nil:
					failed.Add(1)
				}
			}
		}()
	}
	for range 64 {
		<-done
	}
	if failed.Load() != 8*20 {
		t.Errorf("%d calls failed of 160", failed.Load())
	}
}

// A server that is full refuses to write: that is an error, at once, and what needs no write is answered.
func TestAFullServer(t *testing.T) {
	server := single(t, "--maxmemory", "2mb", "--maxmemory-policy", "noeviction")
	s := fresh(t, server.URL())
	take(t, s, hourly(1), user, 1)
	var err error
	for i := 0; err == nil && i < 200_000; i += 200 {
		takes := make([]shared.Take, 200)
		for k := range takes {
			takes[k] = shared.Take{Rule: hourly(10), Key: ratelimit.KeyOf(i + k), Cost: 1}
		}
		_, err = s.TakeAll(t.Context(), takes)
	}
	if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "OOM") {
		t.Fatal(err)
	}
	err = nil
	for i := 0; err == nil && i < 10_000; i++ { // what the batch itself took has been freed
		_, err = s.Take(t.Context(), hourly(10), ratelimit.KeyOf("new", i), 1)
	}
	if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "OOM") {
		t.Error(err)
	}
	if d := take(t, s, hourly(1), user, 1); d.OK {
		t.Error("a key that is used up was admitted")
	}
	_, warnings, err := s.Inspect(t.Context())
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "of its 2 MiB of memory are in use") {
		t.Errorf("%q, %v", warnings, err)
	}
}

// Keys go by themselves when they are as if never used.
func TestKeysExpire(t *testing.T) {
	server := single(t)
	s := fresh(t, server.URL())
	for _, test := range []struct {
		config ratelimit.Config
		cost   int64
		least  int // milliseconds
		most   int
	}{
		{ratelimit.Config{Limit: 10, Per: time.Minute}, 5, 30_000, 31_000},
		{ratelimit.Config{Limit: 10, Per: time.Minute, Algorithm: ratelimit.LeakyBucket}, 1, 6_000, 7_000},
		{ratelimit.Config{Limit: 10, Per: time.Minute, Algorithm: ratelimit.FixedWindow}, 5, 0, 61_000},
		{ratelimit.Config{Limit: 10, Per: time.Minute, Algorithm: ratelimit.SlidingWindow}, 5, 60_000, 121_000},
		{ratelimit.Config{Limit: 10, Per: time.Minute, Algorithm: ratelimit.SlidingLog}, 5, 60_000, 61_000},
	} {
		one := shared.Take{Rule: shared.Rule{Name: test.config.Algorithm.String(), Config: test.config}, Key: user, Cost: test.cost}
		d := take(t, s, one.Rule, one.Key, test.cost)
		check := func(what string) {
			t.Helper()
			left := 0
			for _, digit := range redistest.Run(t, server, "PTTL", s.KeyOf(one)) {
				left = left*10 + int(digit-'0')
			}
			if left <= test.least-5_000 || left > test.most {
				t.Errorf("%v: %s expires in %d ms, want %d to %d", test.config.Algorithm, what, left, test.least, test.most)
			}
		}
		check("a key that was taken from")
		if err := s.Refund(t.Context(), one.Rule, one.Key, d); err != nil {
			t.Fatal(err)
		}
		if test.config.Algorithm != ratelimit.SlidingLog { // nothing is left of that
			check("a key with a receipt")
		}
	}
}

// A clock that goes back a little stands still; one that goes back far takes the key with it.
func TestAClockThatGoesBack(t *testing.T) {
	server := single(t)
	for _, a := range []ratelimit.Algorithm{ratelimit.GCRA, ratelimit.LeakyBucket, ratelimit.FixedWindow, ratelimit.SlidingWindow, ratelimit.SlidingLog} {
		s, now := timed(t, server.URL(), time.Microsecond)
		rule := shared.Rule{Name: "rule", Config: ratelimit.Config{Algorithm: a, Limit: 10, Per: 10 * time.Second}}
		at := func(d time.Duration) { now.Store(int64(100_000*time.Second + d)) }
		at(0)
		cost := int64(10)
		before := take(t, s, rule, user, cost)
		for _, step := range []time.Duration{-1, -time.Millisecond, -time.Second} {
			at(step)
			if d := take(t, s, rule, user, 1); d.OK {
				t.Errorf("%v: a call %v before the last one was admitted: %+v", a, -step, d)
			}
		}
		at(-time.Hour)
		d := take(t, s, rule, user, 1)
		if d.OK || d.RetryAfter <= 0 || d.RetryAfter > 20*time.Second {
			t.Errorf("%v: an hour back: %+v", a, d)
		}
		if err := s.Refund(t.Context(), rule, user, before); err != nil {
			t.Fatal(err)
		}
		if d := take(t, s, rule, user, 1); d.OK {
			t.Errorf("%v: a receipt from before the step gave something back", a)
		}
		at(-time.Hour + 20*time.Second)
		if d := take(t, s, rule, user, 10); !d.OK {
			t.Errorf("%v: the key is frozen: %+v", a, d)
		}
	}
}

// Within a step back that is small a call tells how long to wait from where the clock is.
func TestARetryAfterAStepBackIsLongEnough(t *testing.T) {
	s, now := timed(t, single(t).URL(), time.Microsecond)
	for _, a := range []ratelimit.Algorithm{ratelimit.GCRA, ratelimit.LeakyBucket, ratelimit.FixedWindow, ratelimit.SlidingWindow, ratelimit.SlidingLog} {
		rule := shared.Rule{Name: a.String(), Config: ratelimit.Config{Algorithm: a, Limit: 1, Per: 10 * time.Second}}
		now.Store(int64(100_000 * time.Second))
		take(t, s, rule, user, 1)
		now.Add(-int64(500 * time.Millisecond))
		d := take(t, s, rule, user, 1)
		now.Add(int64(d.RetryAfter) - int64(time.Microsecond))
		if early := take(t, s, rule, user, 1); d.OK || early.OK {
			t.Errorf("%v: %+v, then %+v", a, d, early)
		}
		now.Add(int64(time.Microsecond))
		if late := take(t, s, rule, user, 1); !late.OK {
			t.Errorf("%v is refused after %v: %+v", a, d.RetryAfter, late)
		}
	}
}

// The calls of a log stay in the order of their times: within a step back that is small, time
// stands still for a key, so that the receipt of a call still finds it.
func TestALogKeepsItsOrderInASmallStepBack(t *testing.T) {
	s, now := timed(t, single(t).URL(), time.Microsecond)
	rule := shared.Rule{Name: "log", Config: ratelimit.Config{Algorithm: ratelimit.SlidingLog, Limit: 10, Per: time.Minute}}
	now.Store(int64(100_000 * time.Second))
	take(t, s, rule, user, 1)
	now.Add(-int64(500 * time.Millisecond))
	d := take(t, s, rule, user, 1)
	if err := s.Refund(t.Context(), rule, user, d); err != nil {
		t.Fatal(err)
	}
	if d = take(t, s, rule, user, 0); d.Remaining != 9 {
		t.Errorf("after the second of two calls was given back: %+v", d)
	}
}

// Whoever gives up returns at once, though the server stands still, and is not counted if
// its call was still queued. Others get their answers when the server goes on.
func TestCallersThatGiveUp(t *testing.T) {
	server := single(t)
	s, err := redisstore.Open(server.URL(), redisstore.Options{Namespace: "giveup", Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	take(t, s, hourly(1000), user, 1)
	until(t, s, false) // its sender may not have left yet
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	patient := make(chan error, 10)
	wait := func() {
		_, err := s.Take(context.WithoutCancel(t.Context()), hourly(1000), user, 1)
		patient <- err
	}
	go wait()
	until(t, s, true) // all that follow queue behind it
	for range cap(patient) - 1 {
		go wait()
	}
	if canceled, late := giveUp(t, s); canceled != 50 || late != 50 {
		t.Errorf("%d were canceled and %d were late", canceled, late)
	}
	if err := server.Continue(); err != nil {
		t.Fatal(err)
	}
	for range cap(patient) {
		if err := <-patient; err != nil {
			t.Error(err)
		}
	}
	d := take(t, s, hourly(1000), user, 0)
	if taken := 1000 - d.Remaining; taken != 11 {
		t.Errorf("%d were taken", taken)
	}
}

// until waits until a call is on its way to the server, or none is, and none is queued.
func until(t *testing.T, s *redisstore.Store, underWay bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for range 30_000 {
		if sending, queued := s.Waiting(); sending == underWay && queued == 0 {
			return
		}
		<-ticker.C
	}
	t.Fatalf("that a call is under way is not %t", underWay)
}

// giveUp makes a hundred calls: one half has a deadline, the other is canceled.
func giveUp(t *testing.T, s *redisstore.Store) (canceled, late int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	gaveUp := make(chan error, 100)
	for i := range cap(gaveUp) {
		go func() {
			ctx := ctx
			if i%2 == 0 {
				var end context.CancelFunc
				ctx, end = context.WithTimeout(ctx, 5*time.Millisecond)
				defer end()
			}
			_, err := s.Take(ctx, hourly(1000), user, 1)
			gaveUp <- err
		}()
	}
	for i := range cap(gaveUp) {
		if i == cap(gaveUp)/2 { // those with a deadline have gone
			cancel()
		}
		switch err := <-gaveUp; {
		case errors.Is(err, context.Canceled) && errors.Is(err, fault.Canceled):
			canceled++
		case errors.Is(err, context.DeadlineExceeded) && errors.Is(err, fault.Unavailable):
			late++
		default:
			t.Error(err)
		}
	}
	return canceled, late
}

// Alone, a call with a deadline ends with it.
func TestADeadlineEndsALoneCall(t *testing.T) {
	server := single(t)
	s := fresh(t, server.URL())
	take(t, s, hourly(1000), user, 1)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	defer server.Continue()
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if _, err := s.Take(ctx, hourly(1000), user, 1); !errors.Is(err, fault.Unavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		cancel()
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	server := single(t)
	s := fresh(t, server.URL())
	take(t, s, hourly(1000), user, 1)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	errs := make(chan error)
	const callers = redisstore.MaxQueue + 1000
	for range callers {
		go func() {
			_, err := s.Take(ctx, hourly(1000), user, 1)
			errs <- err
		}()
	}
	for i := range callers {
		err := <-errs
		if i == 0 { // of those that found no place
			if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "are waiting for redis already") {
				t.Error(err)
			}
			cancel()
		}
		if err == nil {
			t.Error("a server that stands still has answered")
		}
	}
	if err := server.Continue(); err != nil {
		t.Fatal(err)
	}
	take(t, s, hourly(1000), user, 1)
}

func TestAStoreThatIsClosed(t *testing.T) {
	server := single(t)
	s, err := redisstore.Open(server.URL(), redisstore.Options{Namespace: "closed"})
	if err != nil {
		t.Fatal(err)
	}
	d := take(t, s, hourly(1000), user, 1)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	_, err1 := s.Take(t.Context(), hourly(1000), user, 1)
	_, err2 := s.Peek(t.Context(), hourly(1000), user, 1)
	_, err3 := s.TakeAll(t.Context(), []shared.Take{{Rule: hourly(1000), Key: user, Cost: 1}})
	err4, err5 := s.Refund(t.Context(), hourly(1000), user, d), s.Reset(t.Context(), hourly(1000), user)
	for i, err := range []error{err1, err2, err3, err4, err5} {
		if !errors.Is(err, fault.Closed) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// Rules that a key was not counted by before find what was taken, whoever changes them and
// whatever goes on meanwhile.
func TestARuleThatChangesUnderLoad(t *testing.T) {
	s := fresh(t, single(t).URL())
	configs := []ratelimit.Config{
		{Limit: 100, Per: time.Hour},
		{Limit: 120, Per: time.Hour},
		{Limit: 100, Per: 2 * time.Hour, Algorithm: ratelimit.FixedWindow},
		{Limit: 110, Per: 3 * time.Hour, Algorithm: ratelimit.SlidingLog},
		{Limit: 90, Per: time.Hour, Algorithm: ratelimit.SlidingWindow},
	}
	var admitted atomic.Int64
	done := make(chan struct{})
	for i := range 16 {
		go func() {
			defer func() { done <- struct{}{} }()
			for k := range 100 {
				d, err := s.Take(t.Context(), shared.Rule{Name: "rule", Config: configs[(i+k)%len(configs)]}, user, 1)
				if err != nil {
					t.Error(err)
				}
				if d.OK {
					admitted.Add(1)
				}
			}
		}()
	}
	for range 16 {
		<-done
	}
	if got := admitted.Load(); got > 120+1 || got < 90-1 {
		t.Errorf("%d were admitted under rules of 90 to 120", got)
	}
}

// A replica takes no writes: every call is an error, and the client is told to look for
// another server.
func TestAReplica(t *testing.T) {
	primary := single(t)
	replica := redistest.Replica(t, suite, primary)
	s := fresh(t, replica.URL())
	if _, err := s.Take(t.Context(), hourly(10), user, 1); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "READONLY") {
		t.Error(err)
	}
	if _, _, err := s.Inspect(t.Context()); err == nil || !strings.Contains(err.Error(), "this is a replica") {
		t.Error(err)
	}
	redistest.Run(t, replica, "REPLICAOF", "NO", "ONE")
	take(t, s, hourly(10), user, 1)
}

// What was taken is on the replica that takes over, and the client finds it.
func TestASentinelFailsOver(t *testing.T) {
	primary := single(t)
	replica := redistest.Replica(t, suite, primary)
	sentinel := redistest.Sentinel(t, suite, primary)
	redistest.Await(t, sentinel, "slaves=1", "INFO", "sentinel")
	s := fresh(t, "redis+sentinel://"+sentinel.Addr()+"/0?master_name=main")
	if server, _, err := s.Inspect(t.Context()); err != nil || !strings.Contains(server, " ") {
		t.Fatal(server, err)
	}
	take(t, s, hourly(10), user, 4)
	one := shared.Take{Rule: hourly(10), Key: user}
	redistest.Await(t, replica, "1", "EXISTS", s.KeyOf(one))
	primary.Kill()
	redistest.Await(t, replica, "role:master", "INFO", "replication")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		d, err := s.Take(ctx, hourly(10), user, 1)
		if err == nil {
			if d.Remaining != 5 {
				t.Errorf("%+v", d)
			}
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}
