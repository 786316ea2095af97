package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/elixirscope/foundation/adapters/postgres/pgstore"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/pgtest"
)

func wantFault(t *testing.T, err error, code fault.Code, words ...string) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Errorf("got %v, want %v", err, code)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in %v", w, err)
		}
	}
	if n := strings.Count(err.Error(), "storage: "); n != 1 {
		t.Errorf("the fault is wrapped %d times: %v", n, err)
	}
}

// admin runs statements on a connection of its own.
func admin(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	c, err := pgx.Connect(context.Background(), dsn) // also when the test has ended
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	for _, text := range statements {
		if _, err := c.Exec(context.Background(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

// as returns how another role reaches another database of the server.
func as(t *testing.T, s *pgtest.Server, role, database string) string {
	t.Helper()
	u, err := url.Parse(s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	u.User, u.Path = url.UserPassword(role, "hunter2"), "/"+database
	return u.String()
}

func TestWhatCannotServe(t *testing.T) {
	s := server(t)
	admin(t, s.DSN(), "CREATE ROLE guest LOGIN", "CREATE DATABASE latin ENCODING LATIN1 TEMPLATE template0", "CREATE SCHEMA other", "CREATE TABLE other.events (x int)")
	t.Cleanup(func() {
		admin(t, s.DSN(), "DROP DATABASE latin", "DROP SCHEMA other CASCADE", "DROP ROLE guest")
	})
	for _, tt := range []struct {
		dsn   string
		o     pgstore.Options
		code  fault.Code
		words string
	}{
		{"", pgstore.Options{}, fault.InvalidConfig, "dsn"},
		{"postgres://u:hunter2@h/%zz?sslmode=x", pgstore.Options{}, fault.InvalidConfig, "dsn"},
		{s.DSN(), pgstore.Options{Schema: `a"b`, Readers: -1, Timeout: -1}, fault.InvalidConfig, "timeout"},
		{s.DSN(), pgstore.Options{Schema: strings.Repeat("s", 64)}, fault.InvalidConfig, "schema"},
		{s.DSN(), pgstore.Options{Schema: "other"}, fault.InvalidConfig, "another program"},
		{as(t, s, "tester", "absent"), pgstore.Options{}, fault.InvalidConfig, "does not exist"},
		{as(t, s, "tester", "latin"), pgstore.Options{}, fault.InvalidConfig, "LATIN1"},
		{as(t, s, "nobody", "postgres"), pgstore.Options{}, fault.Forbidden, "pg_hba.conf"},
		{as(t, s, "guest", "postgres"), fresh(), fault.Forbidden, "grant"},
		{"postgres://u:hunter2@127.0.0.1:1/d?sslmode=disable", pgstore.Options{}, fault.Unavailable, "cannot be reached"},
	} {
		_, err := pgstore.Open(t.Context(), tt.dsn, tt.o)
		wantFault(t, err, tt.code, tt.words)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the fault holds the password: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := pgstore.Open(ctx, s.DSN(), fresh())
	wantFault(t, err, fault.Canceled)
}

func TestASchemaOfANewerVersion(t *testing.T) {
	s, o := server(t), fresh()
	later, err := pgstore.OpenLater(t.Context(), s.DSN(), o, "CREATE TABLE {schema}.later (x int)")
	if err != nil {
		t.Fatal(err)
	}
	if err := later.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = pgstore.Open(t.Context(), s.DSN(), o)
	wantFault(t, err, fault.InvalidConfig, fmt.Sprintf("has version %d", pgstore.Version()+1), fmt.Sprintf("later one than %d", pgstore.Version()), "run the newer program")
}

// A step that fails leaves the version before, with all that it holds.
func TestAMigration(t *testing.T) {
	s, o := server(t), fresh()
	first := open(t, s.DSN(), o)
	stored := add(t, first, eventstore.Event{Type: "x"})
	_, err := pgstore.OpenLater(t.Context(), s.DSN(), o, "CREATE TABLE {schema}.later (x int)", "CREATE TABLE {schema}.events (x int)")
	wantFault(t, err, fault.Internal, fmt.Sprintf("migrate from version %d", pgstore.Version()), "already exists")
	if got := all(t, open(t, s.DSN(), o)); len(got) != 1 || got[0].ID != stored[0].ID {
		t.Errorf("after a migration that failed: %+v", got)
	}
	later, err := pgstore.OpenLater(t.Context(), s.DSN(), o, "CREATE TABLE {schema}.later (x int)")
	if err != nil {
		t.Fatal(err)
	}
	defer later.Close()
	add(t, later, eventstore.Event{Type: "y"})
	add(t, first, eventstore.Event{Type: "z"}) // the program that is being replaced goes on
	if got := all(t, later); len(got) != 3 {
		t.Errorf("after the migration: %+v", got)
	}
}

func TestProcessesThatStartTogether(t *testing.T) {
	s, o := server(t), fresh()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			opened, err := pgstore.Open(t.Context(), s.DSN(), o)
			if err != nil {
				t.Error(err)
				return
			}
			defer opened.Close()
			if _, err := opened.Events().Append(t.Context(), eventstore.Event{Type: "x"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := all(t, open(t, s.DSN(), o)); len(got) != 8 || got[7].Seq != 8 {
		t.Errorf("got %d events", len(got))
	}
}

func TestLayersThatShareADatabase(t *testing.T) {
	s := server(t)
	id := eventstore.NewID()
	for range 2 {
		opened := open(t, s.DSN(), fresh())
		add(t, opened, eventstore.Event{Type: "x", ID: id})
		if got := all(t, opened); len(got) != 1 || got[0].Seq != 1 {
			t.Errorf("got %+v", got)
		}
	}
}

// What a role or a database sets for its sessions does not change what is promised.
func TestTheDefaultsOfARole(t *testing.T) {
	s := server(t)
	odd := fresh().Schema // a name that no other run has taken
	set := "ALTER ROLE " + odd + " SET "
	admin(t, s.DSN(), "CREATE ROLE "+odd+" LOGIN SUPERUSER", set+"synchronous_commit = off", set+"default_transaction_read_only = on",
		set+"default_transaction_isolation = serializable", set+"client_encoding = LATIN1", set+"search_path = ''",
		set+"timezone = 'Asia/Kathmandu'", set+"datestyle = 'SQL, DMY'")
	opened := open(t, as(t, s, odd, "postgres"), fresh())
	for name, want := range map[string]string{
		"synchronous_commit": "on", "transaction_isolation": "read committed", "idle_in_transaction_session_timeout": "10s", "application_name": "foundation",
	} {
		if got, err := opened.Text(t.Context(), "SHOW "+name); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
	stored := add(t, opened, eventstore.Event{Type: "x", Name: "ü€", Time: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)})
	if got := all(t, opened); len(got) != 1 || got[0].Name != "ü€" || !got[0].Time.Equal(stored[0].Time) {
		t.Errorf("got %+v", got)
	}
	admin(t, s.DSN(), set+"synchronous_commit = remote_apply")
	if got, err := open(t, as(t, s, odd, "postgres"), fresh()).Text(t.Context(), "SHOW synchronous_commit"); err != nil || got != "remote_apply" {
		t.Errorf("%q, %v", got, err)
	}
}

// The server goes and comes back: calls fail at once while it is away and succeed
// afterwards, on the same storage. A restart between two calls is not seen.
func TestAServerThatGoes(t *testing.T) {
	s := server(t)
	opened := open(t, s.DSN(), fresh())
	add(t, opened, eventstore.Event{Type: "before"})
	all(t, opened)

	s.Stop()
	_, err := opened.Events().Append(t.Context(), eventstore.Event{Type: "lost"})
	wantFault(t, err, fault.Unavailable)
	_, err = opened.Events().Find(t.Context(), eventstore.Query{})
	wantFault(t, err, fault.Unavailable)
	_, err = opened.Events().Stats(t.Context())
	wantFault(t, err, fault.Unavailable)
	_, err = opened.Events().Prune(t.Context(), eventstore.Retention{MaxBytes: 1})
	wantFault(t, err, fault.Unavailable)
	_, err = pgstore.Open(t.Context(), s.DSN(), pgstore.Options{})
	wantFault(t, err, fault.Unavailable, "cannot be reached")

	pgtest.Restart(t, s)
	add(t, opened, eventstore.Event{Type: "after"})
	if got := all(t, opened); len(got) != 2 || got[0].Type != "before" || got[1].Type != "after" {
		t.Errorf("got %+v", got)
	}
	s.Stop()
	pgtest.Restart(t, s)
	add(t, opened, eventstore.Event{Type: "again"})
	if got := all(t, opened); len(got) != 3 {
		t.Errorf("got %+v", got)
	}
}

// Another process holds the lock: whoever does not want to wait leaves without a trace,
// and nobody waits longer than the timeout.
func TestALockThatIsHeld(t *testing.T) {
	s, o := server(t), fresh()
	o.Timeout = 2 * time.Second
	opened := open(t, s.DSN(), o)
	holder, err := pgx.Connect(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(context.Background())
	if _, err := holder.Exec(t.Context(), "BEGIN; SELECT FROM "+o.Schema+".counters FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = opened.Events().Append(ctx, eventstore.Event{Type: "left"})
	wantFault(t, err, fault.Canceled, "nothing was stored")
	_, err = opened.Events().Append(t.Context(), eventstore.Event{Type: "late"})
	wantFault(t, err, fault.Unavailable, "in time")
	if _, err := holder.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	add(t, opened, eventstore.Event{Type: "free"})
	if got := all(t, opened); len(got) != 1 || got[0].Type != "free" {
		t.Errorf("got %+v", got)
	}
}

func TestTablesThatAreDropped(t *testing.T) {
	s, o := server(t), fresh()
	opened := open(t, s.DSN(), o)
	add(t, opened, eventstore.Event{Type: "x"})
	admin(t, s.DSN(), "DELETE FROM "+o.Schema+".counters")
	_, err := opened.Events().Append(t.Context(), eventstore.Event{Type: "x"})
	wantFault(t, err, fault.DataCorrupt, "restore a backup")
	_, err = opened.Events().Find(t.Context(), eventstore.Query{})
	wantFault(t, err, fault.DataCorrupt)
	_, err = opened.Events().Stats(t.Context())
	wantFault(t, err, fault.DataCorrupt)
	admin(t, s.DSN(), "DROP SCHEMA "+o.Schema+" CASCADE")
	_, err = opened.Events().Append(t.Context(), eventstore.Event{Type: "x"})
	wantFault(t, err, fault.Unavailable, "dropped")
}

func TestCloseStoresWhatWaits(t *testing.T) {
	s, o := server(t), fresh()
	opened := open(t, s.DSN(), o)
	counts := make(chan int, 32)
	for range cap(counts) {
		go func() {
			n := 0
			for {
				if _, err := opened.Events().Append(context.Background(), eventstore.Event{Type: "x"}); err != nil {
					if !errors.Is(err, fault.Closed) {
						t.Error(err)
					}
					counts <- n
					return
				}
				n++
			}
		}()
	}
	for q := (eventstore.Query{Limit: 1, After: 50}); ; { // until some are stored
		if page, err := opened.Events().Find(t.Context(), q); err != nil || len(page.Events) > 0 {
			break
		}
	}
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}
	want := 0
	for range cap(counts) {
		want += <-counts
	}
	if got := len(all(t, open(t, s.DSN(), o))); got != want {
		t.Errorf("%d events, %d were acknowledged", got, want)
	}
	_, err := opened.Events().Find(t.Context(), eventstore.Query{})
	wantFault(t, err, fault.Closed)
}

// Close does not wait for a query that waits.
func TestCloseEndsQueries(t *testing.T) {
	s, o := server(t), fresh()
	opened := open(t, s.DSN(), o)
	holder, err := pgx.Connect(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(context.Background())
	if _, err := holder.Exec(t.Context(), "BEGIN; LOCK TABLE "+o.Schema+".events IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 6) // more than there are connections
	for range cap(ended) {
		go func() {
			_, err := opened.Events().Find(context.Background(), eventstore.Query{})
			ended <- err
		}()
	}
	for n := 0; n < 4; {
		if err := holder.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE NOT granted").Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = opened.Events().Find(ctx, eventstore.Query{})
	wantFault(t, err, fault.Canceled)
	if err := opened.Close(); err != nil {
		t.Error(err)
	}
	for range cap(ended) {
		wantFault(t, <-ended, fault.Closed)
	}
}

// An append whose context ends is stored whole or not at all, and the id tells which.
func TestAContextThatEndsMeanwhile(t *testing.T) {
	s := server(t)
	opened := open(t, s.DSN(), fresh())
	events := opened.Events()
	for i := range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*20)*time.Microsecond)
		id := eventstore.NewID()
		_, err := events.Append(ctx, eventstore.Event{Type: "x", ID: id})
		cancel()
		if err != nil && !errors.Is(err, fault.Canceled) {
			t.Fatal(err)
		}
		_, again := events.Append(t.Context(), eventstore.Event{Type: "x", ID: id})
		if stored := errors.Is(again, fault.AlreadyExists); again != nil && !stored || err == nil && !stored {
			t.Errorf("the first append: %v, the second: %v", err, again)
		}
	}
	if n := len(all(t, opened)); n != 100 {
		t.Errorf("%d events, want 100", n)
	}
}

// What is sent at once is bounded, however large a batch is, and it is stored whole.
func TestABatchThatDoesNotFitOneStatement(t *testing.T) {
	s, o := server(t), fresh()
	opened := open(t, s.DSN(), o)
	batch := make([]eventstore.Event, 20)
	for i := range batch {
		batch[i] = eventstore.Event{Type: "big", Name: fmt.Sprint(i), Data: []byte(`"` + strings.Repeat("x", eventstore.MaxData-2) + `"`)}
	}
	add(t, opened, batch...)
	found := all(t, opened)
	for i, e := range found {
		if e.Name != fmt.Sprint(i) || len(e.Data) != eventstore.MaxData {
			t.Errorf("place %d holds %s with %d bytes", i, e.Name, len(e.Data))
		}
	}
	if st, err := opened.Events().Stats(t.Context()); err != nil || st.Events != len(batch) || len(found) != len(batch) {
		t.Errorf("%d found, %+v, %v", len(found), st, err)
	}
	admin(t, s.DSN(), "CREATE FUNCTION "+o.Schema+".refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.seq = 35 THEN RAISE 'no'; END IF; RETURN NEW; END $$",
		"CREATE TRIGGER refuse BEFORE INSERT ON "+o.Schema+".events FOR EACH ROW EXECUTE FUNCTION "+o.Schema+".refuse()")
	_, err := opened.Events().Append(t.Context(), batch...)
	wantFault(t, err, fault.Internal, "no")
	if n := len(all(t, opened)); n != len(batch) {
		t.Errorf("%d events: half a batch was stored", n)
	}
}

func TestAppendsGoOnWhilePruning(t *testing.T) {
	s := server(t)
	opened := open(t, s.DSN(), fresh())
	add(t, opened, make5000()...)
	type removed struct {
		n   int
		err error
	}
	pruned := make(chan removed)
	go func() {
		n, err := opened.Events().Prune(t.Context(), eventstore.Retention{Before: time.Now()})
		pruned <- removed{n, err}
	}()
	tomorrow := time.Now().AddDate(0, 0, 1)
	for appended := 0; ; appended++ {
		select {
		case got := <-pruned:
			if st, err := opened.Events().Stats(t.Context()); got.n != 5000 || got.err != nil || appended == 0 || err != nil || st.Events != appended {
				t.Errorf("%d pruned, %v; %d appended meanwhile, %+v, %v", got.n, got.err, appended, st, err)
			}
			return
		default:
			add(t, opened, eventstore.Event{Type: "new", Time: tomorrow})
		}
	}
}

func make5000() []eventstore.Event {
	events := make([]eventstore.Event, 5000)
	for i := range events {
		events[i] = eventstore.Event{Type: "x", Name: fmt.Sprint(i), Correlation: fmt.Sprint(i), Data: []byte(`{"some":"data that fills a page"}`)}
	}
	return events
}
