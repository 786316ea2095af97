package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/elixirscope/foundation/adapters/postgres"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/pgtest"
	"github.com/elixirscope/foundation/pool"
)

var background = context.Background()

func open(t *testing.T, o postgres.Options, cfg pool.Config) *pool.Pool[*pgx.Conn] {
	t.Helper()
	f, err := postgres.New(o)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pool.New("orders", cfg, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(background); err != nil {
			t.Error(err)
		}
	})
	return p
}

func exec(sql string) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, c *pgx.Conn) error { _, err := c.Exec(ctx, sql); return err }
}

// value asks for one value, as text.
func value(t *testing.T, p *pool.Pool[*pgx.Conn], sql string) (got string) {
	t.Helper()
	err := p.With(background, func(ctx context.Context, c *pgx.Conn) error { return c.QueryRow(ctx, sql).Scan(&got) })
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAWorkerIsOneConnectionThatIsReused(t *testing.T) {
	p := open(t, postgres.Options{DSN: server(t).DSN()}, pool.Config{Size: 1})
	const pid = "select pg_backend_pid()::text"
	if a, b := value(t, p, pid), value(t, p, pid); a != b {
		t.Errorf("backends %s and %s", a, b)
	}
}

func TestAConnectionComesBackClean(t *testing.T) {
	p := open(t, postgres.Options{DSN: server(t).DSN()}, pool.Config{Size: 1})
	for _, dirt := range []string{
		"set statement_timeout = '7s'", "create temp table dirt (x int)", "begin", "select pg_advisory_lock(7)", "listen dirt",
	} {
		if err := p.With(background, exec(dirt)); err != nil {
			t.Fatal(err)
		}
	}
	for sql, want := range map[string]string{
		"show statement_timeout":                                          "0",
		"select coalesce(to_regclass('dirt')::text, 'none')":              "none",
		"select count(*)::text from pg_locks where locktype = 'advisory'": "0",
		"select count(*)::text from pg_listening_channels()":              "0",
	} {
		if got := value(t, p, sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
	if st := p.Stats(); st.Created != 1 || st.Destroyed != 0 {
		t.Errorf("%+v", st)
	}
}

func TestAnOpenTransactionIsRolledBackAndNotMore(t *testing.T) {
	p := open(t, postgres.Options{DSN: server(t).DSN(), Reset: postgres.ResetTransaction}, pool.Config{Size: 1})
	if err := p.With(background, exec("create table if not exists rows (x int); set application_name = 'kept'")); err != nil {
		t.Fatal(err)
	}
	if err := p.With(background, exec("begin; insert into rows values (1)")); err != nil {
		t.Fatal(err)
	}
	if got := value(t, p, "select count(*)::text from rows"); got != "0" {
		t.Errorf("%s rows of a transaction that was left open", got)
	}
	if got := value(t, p, "show application_name"); got != "kept" {
		t.Errorf("application_name %q", got)
	}
}

func TestAResultThatWasNotReadEndsTheConnection(t *testing.T) {
	p := open(t, postgres.Options{DSN: server(t).DSN()}, pool.Config{Size: 1})
	err := p.With(background, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, "select generate_series(1, 100000)")
		if err == nil && !rows.Next() {
			return rows.Err()
		}
		return err // without reading the other rows, nor closing them: that is the point
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := value(t, p, "select 'alive'"); got != "alive" || p.Stats().BadChecks != 1 {
		t.Errorf("%s, %+v", got, p.Stats())
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []postgres.Options{{}, {DSN: "postgres://u:secret@:bad"}, {DSN: "postgres://h/d", Reset: "half"}} {
		_, err := postgres.Kind().Open(t.Context(), "orders", pool.Config{}, &o)
		if !errors.Is(err, fault.InvalidConfig) {
			t.Errorf("%+v: %v", o, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the password is in %v", err)
		}
	}
	if _, err := postgres.Kind().Open(t.Context(), "orders", pool.Config{}, 7); !errors.Is(err, fault.InvalidArgument) {
		t.Errorf("foreign options: %v", err)
	}
}

func TestAnUnreachableDatabaseDegradesOrIsRefused(t *testing.T) {
	o := postgres.Options{DSN: "postgres://u:secret@127.0.0.1:1/d?connect_timeout=2"}
	f, err := postgres.New(o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = pool.New("orders", pool.Config{Start: pool.Strict}, f)
	if !errors.Is(err, fault.WorkerFailed) || strings.Contains(err.Error(), "secret") {
		t.Errorf("strict: %v", err)
	}
	p := open(t, o, pool.Config{})
	_, err = p.Acquire(background)
	if st := p.Status(); !errors.Is(err, fault.WorkerFailed) || !st.Degraded || st.LastError == nil {
		t.Errorf("lazy: %v, %+v", err, st)
	}
}

// The server is killed under 50 borrowers and comes back: every call ends within
// its time with a result or a structured error, the pool asks the dead server
// rarely, and it heals by itself.
func TestKillingTheServerUnder50Borrowers(t *testing.T) {
	s := server(t)
	p := open(t, postgres.Options{DSN: s.DSN()}, pool.Config{
		Size: 8, MaxOverflow: 2, CheckoutTimeout: 2 * time.Second, CreateTimeout: 5 * time.Second, BackoffMax: 500 * time.Millisecond,
	})
	const callTimeout = 5 * time.Second
	var calls, succeeded, slow, strange atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(background, callTimeout)
				begun := time.Now()
				err := p.With(ctx, exec("select pg_sleep(0.002)"))
				cancel()
				calls.Add(1)
				if time.Since(begun) > callTimeout+2*time.Second {
					slow.Add(1)
				}
				if err == nil {
					succeeded.Add(1)
				} else if !structured(err) {
					strange.Add(1)
					t.Errorf("%T: %v", err, err)
				}
			}
		})
	}
	await(t, "calls to succeed", func() bool { return succeeded.Load() > 200 })
	before := p.Stats().Attempts
	killed := time.Now()
	s.Kill()
	await(t, "the pool to degrade", func() bool { return p.Status().Degraded })
	await(t, "two seconds of outage", func() bool { return time.Since(killed) > 2*time.Second })
	outage := time.Since(killed)
	attempts := p.Stats().Attempts - before
	pgtest.Restart(t, s)
	back := succeeded.Load()
	await(t, "calls to succeed again", func() bool { return succeeded.Load() > back+200 && !p.Status().Degraded })
	close(stop)
	wg.Wait()
	// The first round has at most ten attempts side by side; then one per pause, which
	// is at least a half of 100, 200, 400, 500, 500 … ms.
	if most := uint64(10 + 4 + outage/(250*time.Millisecond)); attempts > most {
		t.Errorf("%d attempts in an outage of %v, want at most %d", attempts, outage, most)
	}
	if slow.Load() > 0 || strange.Load() > 0 {
		t.Errorf("%d calls ended too late, %d strangely", slow.Load(), strange.Load())
	}
	t.Logf("%d calls, %d succeeded, %d attempts to connect in an outage of %v", calls.Load(), succeeded.Load(), attempts, outage.Round(time.Millisecond))
}

// structured reports whether err is a fault, or an error of pgx from a call that
// was under way.
func structured(err error) bool {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Code() == fault.WorkerFailed || f.Code() == fault.PoolTimeout || f.Code() == fault.PoolFull
	}
	return err.Error() != "" // With returns what the function returned, as it is
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestARestartIsHealedBeforeTheNextBorrowerSeesIt(t *testing.T) {
	s := server(t)
	p := open(t, postgres.Options{DSN: s.DSN()}, pool.Config{Size: 2, CheckAfter: time.Nanosecond})
	if got := value(t, p, "select 'one'"); got != "one" {
		t.Error(got)
	}
	s.Stop()
	pgtest.Restart(t, s)
	if got := value(t, p, "select 'two'"); got != "two" { // the check finds the dead connection, and a new one is made
		t.Error(got)
	}
}
