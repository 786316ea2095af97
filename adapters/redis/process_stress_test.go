package redis_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	redisstore "github.com/elixirscope/foundation/adapters/redis"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// asTaker makes the test binary a process that takes from a rule until it is refused: the
// address of the server.
const asTaker = "FOUNDATION_REDIS_TAKER"

// scarce is a rule that gives out so many and nothing more while a test runs.
func scarce(a ratelimit.Algorithm, n int64) shared.Rule {
	c := ratelimit.Config{Algorithm: a, Limit: n, Per: 8760 * time.Hour}
	if a == ratelimit.GCRA {
		c = ratelimit.Config{Limit: 1, Per: time.Hour, Burst: n}
	}
	return shared.Rule{Name: a.String(), Config: c}
}

const takers = 8 // goroutines of a process

// takeAsProcess writes a byte for each call that is admitted, and "." when a goroutine has been
// refused. It is the exit code.
func takeAsProcess() int {
	rule := scarce(ratelimit.GCRA, processLimit)
	var group sync.WaitGroup
	for range 2 {
		s, err := redisstore.Open(os.Getenv(asTaker), redisstore.Options{Namespace: "processes"})
		if err != nil {
			return 2
		}
		defer s.Close() //nolint:revive,gocritic // two of them, until the process ends
		for range takers / 2 {
			group.Go(func() {
				for {
					d, err := s.Take(context.Background(), rule, user, 1)
					if err != nil || !d.OK {
						_, _ = os.Stdout.WriteString(map[bool]string{true: ".", false: "!"}[err == nil])
						return
					}
					_, _ = os.Stdout.WriteString("+")
				}
			})
		}
	}
	group.Wait()
	return 0
}

const processLimit = 3000

// Three processes of eight goroutines and two stores each, one of which is killed on the
// way: all that they were admitted is never more than the limit, and no less than what the
// killed one may have had in its hands.
func TestProcessesAdmitTheLimitTogether(t *testing.T) {
	for name, kill := range map[string]bool{"all end": false, "one is killed": true} {
		t.Run(name, func(t *testing.T) {
			server := single(t)
			var admitted, ended, failed atomic.Int64
			var group sync.WaitGroup
			for i := range 3 {
				cmd := exec.CommandContext(t.Context(), os.Args[0])
				cmd.Env = append(os.Environ(), asTaker+"="+server.URL())
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				group.Go(func() {
					for r := bufio.NewReader(out); ; {
						b, err := r.ReadByte()
						if err != nil {
							_, _ = io.Copy(io.Discard, out)
							_ = cmd.Wait()
							return
						}
						switch b {
						case '+':
							if n := admitted.Add(1); kill && i == 0 && n > processLimit/3 {
								_ = cmd.Process.Kill()
							}
						case '.':
							ended.Add(1)
						default:
							failed.Add(1)
						}
					}
				})
			}
			group.Wait()
			got := admitted.Load()
			least, ends := int64(processLimit), int64(3*takers)
			if kill {
				least, ends = least-takers, 2*takers
			}
			if got > processLimit || got < least || failed.Load() > 0 || ended.Load() < ends {
				t.Errorf("%d admitted of %d, %d goroutines were refused and %d failed", got, processLimit, ended.Load(), failed.Load())
			}
		})
	}
}

// Whatever the algorithm, callers of several stores are admitted exactly the limit, one
// server or a cluster.
func TestStoresAdmitTheLimitTogether(t *testing.T) {
	cluster, _ := oneNode(t)
	for name, address := range map[string]string{"one server": single(t).URL(), "cluster": cluster} {
		for _, a := range []ratelimit.Algorithm{ratelimit.GCRA, ratelimit.FixedWindow, ratelimit.SlidingWindow, ratelimit.SlidingLog} {
			t.Run(name+" "+a.String(), func(t *testing.T) {
				const limit = 500
				rule := scarce(a, limit)
				stores := []*redisstore.Store{open(t, address, "together"), open(t, address, "together"), open(t, address, "together")}
				var admitted atomic.Int64
				var group sync.WaitGroup
				for i := range 30 {
					group.Go(func() {
						for range 100 {
							cost := int64(i%3 + 1)
							d, err := stores[i%3].Take(t.Context(), rule, user, cost)
							if err != nil {
								t.Error(err)
								return
							}
							if d.OK {
								admitted.Add(cost)
							}
						}
					})
				}
				group.Wait()
				if got := admitted.Load(); got != limit {
					t.Errorf("%d were admitted of %d", got, limit)
				}
			})
		}
	}
}

// Concurrent calls go together: a server is asked far less often than there are calls.
func TestConcurrentCallsGoInOneScript(t *testing.T) {
	server := single(t)
	s := fresh(t, server.URL())
	const callers, each = 64, 50
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			for k := range each {
				if _, err := s.Take(t.Context(), hourly(10), ratelimit.KeyOf(i, k), 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	scripts, commands := counted(t, server, "evalsha"), counted(t, server, "get")
	if commands != callers*each || scripts > commands/4 {
		t.Errorf("%d scripts for %d calls", scripts, commands)
	}
}

func TestACallThatIsAloneGoesAtOnce(t *testing.T) {
	server := single(t)
	s := fresh(t, server.URL())
	for range 10 {
		if _, err := s.Take(t.Context(), hourly(10), user, 1); err != nil {
			t.Fatal(err)
		}
	}
	if got := counted(t, server, "evalsha"); got != 10 {
		t.Errorf("%d scripts for 10 calls", got)
	}
}

// A user's hook that panics ends the calls of its batch, not the process, and the store goes on.
func TestAHookThatPanics(t *testing.T) {
	server := single(t)
	client, hook := hooked(t, server.Addr())
	s, err := redisstore.New(client, redisstore.Options{Namespace: "hooked"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	hook.panics.Store(true)
	for _, ctx := range []context.Context{context.Background(), t.Context()} {
		if _, err := s.Take(ctx, hourly(1), user, 1); err == nil || !strings.Contains(err.Error(), "rude") {
			t.Error(err)
		}
	}
	hook.panics.Store(false)
	if d, err := s.Take(t.Context(), hourly(1), user, 1); err != nil || !d.OK {
		t.Error(d, err)
	}
}
