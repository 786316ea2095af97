package sqlguard_test

import (
	"context"
	"database/sql"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/protect/sqlguard"
	"github.com/elixirscope/foundation/telemetry"
)

func newStage(t *testing.T, open int, timeout time.Duration) (*fakeDB, *sql.DB, *sqlguard.Stage) {
	t.Helper()
	fake := &fakeDB{}
	db := sql.OpenDB(fake)
	db.SetMaxOpenConns(open)
	t.Cleanup(func() { db.Close() })
	s, err := sqlguard.NewStage("orders_db", db, timeout)
	if err != nil {
		t.Fatal(err)
	}
	return fake, db, s
}

func TestStage_LendsConnections(t *testing.T) {
	fake, _, s := newStage(t, 2, 0)
	if s.Name() != "orders_db" || s.WorkerType() != reflect.TypeFor[*sql.Conn]() {
		t.Error("name or type is wrong")
	}
	loan, err := s.Checkout(t.Context(), pool.CheckoutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := loan.Item.Worker.(*sql.Conn).ExecContext(t.Context(), "fine"); err != nil {
		t.Error(err)
	}
	if st := s.Stats(); st.InUse != 1 || st.Size != 2 {
		t.Errorf("%+v", st)
	}
	s.Return(loan, pool.Reuse)
	s.Return(loan, pool.Reuse)
	s.Return(loan, pool.Destroy)
	s.Return(pool.Loan{}, pool.Reuse)
	s.Return(pool.Loan{Item: &pool.Item{Worker: 7}}, pool.Destroy)
	if st := s.Stats(); st.InUse != 0 || st.Idle != 1 || fake.closed.Load() != 0 {
		t.Errorf("%+v, %d closed", st, fake.closed.Load())
	}
	loan, err = s.Checkout(t.Context(), pool.CheckoutOptions{NoWait: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Return(loan, pool.Destroy)
	if st := s.Stats(); st.InUse != 0 || st.Idle != 0 || fake.closed.Load() != 1 {
		t.Errorf("discarded: %+v, %d closed", st, fake.closed.Load())
	}
}

func TestStage_SaysWhyNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, db, s := newStage(t, 1, time.Second)
		loan, err := s.Checkout(t.Context(), pool.CheckoutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := func(code fault.Code, ctx context.Context, o pool.CheckoutOptions) {
			t.Helper()
			if _, err := s.Checkout(ctx, o); !errors.Is(err, code) {
				t.Errorf("got %v, want %v", err, code)
			}
		}
		want(fault.PoolFull, t.Context(), pool.CheckoutOptions{NoWait: true})
		began := time.Now()
		want(fault.PoolTimeout, t.Context(), pool.CheckoutOptions{})
		want(fault.PoolTimeout, t.Context(), pool.CheckoutOptions{Timeout: 2 * time.Second})
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("waited %v", took)
		}
		want(fault.PoolTimeout, t.Context(), pool.CheckoutOptions{Timeout: -1})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		want(fault.Canceled, ctx, pool.CheckoutOptions{})
		late, done := context.WithTimeout(t.Context(), time.Second/2)
		defer done()
		want(fault.PoolTimeout, late, pool.CheckoutOptions{}) // while it waits
		want(fault.PoolTimeout, late, pool.CheckoutOptions{}) // before it came
		s.Return(loan, pool.Destroy)
		fake.refuseDials.Store(true)
		want(fault.WorkerFailed, t.Context(), pool.CheckoutOptions{})
		db.Close()
		want(fault.Closed, t.Context(), pool.CheckoutOptions{})
	})
}

func TestNewStage_SaysAllThatIsWrong(t *testing.T) {
	_, err := sqlguard.NewStage("Orders\t", nil, -time.Second)
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code() != fault.InvalidConfig || len(f.Problems()) != 3 {
		t.Errorf("got %v", err)
	}
}

func TestCollector_EverySeriesFromTheStart(t *testing.T) {
	_, _, s := newStage(t, 7, 0)
	series := map[string]float64{}
	s.Collect(func(sample telemetry.Sample) {
		name := sample.Desc.Name
		for _, l := range sample.Labels[1:] {
			name += "/" + l
		}
		if sample.Labels[0] != "orders_db" || len(sample.Labels) != len(sample.Desc.Labels) {
			t.Errorf("%s: labels %v", name, sample.Labels)
		}
		series[name] = sample.Value
	})
	if len(series) != 8 || series["foundation_sql_connections_max"] != 7 {
		t.Errorf("%v", series)
	}
}
