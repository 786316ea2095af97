package fault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
)

func TestEveryCodeIsMapped(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range fault.Codes() {
		if c.String() == "" || seen[c.String()] {
			t.Errorf("code %d has no name of its own: %q", c, c)
		}
		seen[c.String()] = true
		if c.Severity() == "" || c.Category() == "" || c.Title() == "" {
			t.Errorf("%v: severity %q, category %q, title %q", c, c.Severity(), c.Category(), c.Title())
		}
		if c.HTTPStatus() < 400 || c.GRPCCode() == 0 || c.GRPCCode() > 16 {
			t.Errorf("%v: HTTP %d, gRPC %d", c, c.HTTPStatus(), c.GRPCCode())
		}
		if back, ok := fault.ParseCode(c.String()); !ok || back != c {
			t.Errorf("%v parses as %v, %v", c, back, ok)
		}
	}
	if len(seen) != 21 {
		t.Errorf("%d codes, the contract names 21", len(seen))
	}
}

func TestContractOfHTTPStatuses(t *testing.T) {
	want := map[fault.Code]int{fault.RateLimited: 429, fault.InFlightLimited: 429, fault.CallTimeout: 504, fault.Canceled: 499, fault.CircuitOpen: 503, fault.MemoryPressure: 503}
	for code, status := range want {
		if got := code.HTTPStatus(); got != status {
			t.Errorf("%v answers %d, want %d", code, got, status)
		}
	}
}

func TestUnknownCodesHaveNoMeaning(t *testing.T) {
	if c := fault.Code(200); c.String() != "unknown" || c.HTTPStatus() != 500 {
		t.Errorf("%v, %d", c, c.HTTPStatus())
	}
	if _, ok := fault.ParseCode("unknown"); ok {
		t.Error("the name of no code was parsed")
	}
	var c fault.Code
	if err := c.UnmarshalText([]byte("nonsense")); err == nil {
		t.Error("nonsense was accepted")
	}
}

func TestWrappingKeepsTheChain(t *testing.T) {
	inner := fault.New(fault.Spec{Code: fault.WorkerFailed, Component: "pool", Name: "db", Cause: io.ErrUnexpectedEOF})
	err := fmt.Errorf("charge: %w", inner)
	if !errors.Is(err, fault.WorkerFailed) || errors.Is(err, fault.PoolFull) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("chain of %v is broken", err)
	}
	if f, ok := errors.AsType[*fault.Error](err); !ok || f.Name() != "db" {
		t.Errorf("got %v, %v", f, ok)
	}
}

func TestRetryAfterCountsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fault.New(fault.Spec{Code: fault.CircuitOpen, RetryAt: time.Now().Add(3 * time.Second)})
		time.Sleep(time.Second)
		if got := f.RetryAfter(); got != 2*time.Second {
			t.Errorf("one second later %v remain", got)
		}
		time.Sleep(time.Minute)
		if got := f.RetryAfter(); got != 0 {
			t.Errorf("after the time %v remain", got)
		}
	})
}

func TestTextSaysWhatWhereWhyAndWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fault.New(fault.Spec{
			Code: fault.CircuitOpen, Component: "circuit_breaker", Name: "payments",
			Evidence: []fault.Fact{fault.Against("failures", 5, 5, ""), fault.Measure("window", 10, "seconds")},
			RetryAt:  time.Now().Add(2500 * time.Millisecond),
		})
		const want = `circuit_breaker "payments": circuit_open: circuit breaker is open (failures 5 of 5, window 10 seconds); retry in 2.5s`
		if got := f.Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestJSONKeepsZeroBounds(t *testing.T) {
	f := fault.New(fault.Spec{
		Code: fault.RateLimited, Component: "rate_limiter", Name: "none",
		Evidence: []fault.Fact{fault.Against("tokens", 0, 0, ""), fault.Measure("cost", 1, "")}, Cause: io.EOF,
	})
	raw, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"code":"rate_limited"`, `{"name":"tokens","value":0,"limit":0}`, `{"name":"cost","value":1}`, `"retry_after_seconds":0`, `"cause":"EOF"`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s is not in %s", want, raw)
		}
	}
}

func TestLogValueNamesTheFault(t *testing.T) {
	var out strings.Builder
	log := slog.New(slog.NewTextHandler(&out, nil))
	log.Warn("refused", "fault", fault.New(fault.Spec{
		Code: fault.PoolFull, Component: "pool", Name: "db", Evidence: []fault.Fact{fault.Against("busy", 7, 7, "")}, Cause: io.EOF,
	}))
	for _, want := range []string{"fault.code=pool_full", "fault.name=db", "fault.busy=7", "fault.cause=EOF"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in %s", want, out.String())
		}
	}
}

func TestProblemsAreReportedTogether(t *testing.T) {
	var ps fault.Problems
	ps.Require(true, "fine", 1, "is fine")
	if err := ps.Err("circuit_breaker", "a"); err != nil {
		t.Fatalf("no problem, but %v", err)
	}
	ps.Warn("window", "1h", "is long")
	if err := ps.Err("circuit_breaker", "a"); err != nil {
		t.Fatalf("only a warning, but %v", err)
	}
	ps.Require(false, "window", "-3s", "must be positive")
	ps.Add("probes", 0, "must be at least 1")
	ps.CheckName("Payments\t")
	err := ps.Err("circuit_breaker", "a")
	f, _ := errors.AsType[*fault.Error](err)
	if !errors.Is(err, fault.InvalidConfig) || len(f.Problems()) != 3 {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"window -3s: must be positive", "probes 0: must be at least 1", `name "Payments\t": `} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"payments": true, "a": true, "0.a_b-c": true, strings.Repeat("x", 63): true,
		"": false, strings.Repeat("x", 64): false, "_a": false, "Payments": false, "a b": false, "a\n": false, "ä": false,
	} {
		if got := fault.ValidName(name); got != want {
			t.Errorf("ValidName(%q) = %v", name, got)
		}
	}
}

func TestCheckName_TakesWhatCanBePrinted(t *testing.T) {
	for name, want := range map[string]bool{
		"payments": true, "Paystack": true, "LLM Service": true, "grpc-pool-dns:///db.example:443": true, "決済": true, `a "b" \ c`: true,
		strings.Repeat("x", 128): true, strings.Repeat("é", 64): true, " ": true,
		"": false, strings.Repeat("x", 129): false, strings.Repeat("é", 65): false, "a\nb": false, "a\x00": false, "\x1b[2J": false,
		"\xff": false, "a\u202eb": false, "a\u00a0b": false, "a\u200bb": false,
	} {
		var ps fault.Problems
		if ps.CheckName(name); (len(ps) == 0) != want {
			t.Errorf("CheckName(%q): %v", name, ps)
		}
	}
}

func ExampleError() {
	err := fmt.Errorf("place order: %w", fault.New(fault.Spec{
		Code: fault.ConcurrencyLimited, Component: "guard", Name: "checkout",
		Evidence: []fault.Fact{fault.Against("in_flight", 64, 64, "")},
	}))
	if f, ok := errors.AsType[*fault.Error](err); ok {
		fmt.Println(f.Code(), f.Name(), f.Evidence()[0])
	}
	fmt.Println(errors.Is(err, fault.ConcurrencyLimited))
	// Output:
	// concurrency_limited checkout in_flight 64 of 64
	// true
}

func TestIsRefusal(t *testing.T) {
	refusal := fault.New(fault.Spec{Code: fault.RateLimited})
	noWorker := fault.New(fault.Spec{Code: fault.WorkerFailed, Cause: refusal})
	failed := errors.New("connection refused")
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"nil":                         {nil, false},
		"a failure":                   {failed, false},
		"a refusal":                   {refusal, true},
		"wrapped":                     {fmt.Errorf("x: %w", refusal), true},
		"no worker":                   {noWorker, false},
		"a timeout":                   {fault.New(fault.Spec{Code: fault.CallTimeout, Cause: refusal}), false},
		"refusals":                    {errors.Join(refusal, nil, fmt.Errorf("x: %w", refusal)), true},
		"a failure and a refusal":     {errors.Join(failed, refusal), false},
		"a refusal and a failure":     {fmt.Errorf("x: %w", errors.Join(refusal, failed)), false},
		"a refusal and no worker":     {errors.Join(refusal, noWorker), false},
		"a refusal for two reasons":   {fault.New(fault.Spec{Code: fault.PoolFull, Cause: errors.Join(failed, failed)}), true},
		"two verbs, one is a refusal": {fmt.Errorf("%w: %w", failed, refusal), false},
	} {
		if got := fault.IsRefusal(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestSeveritiesRise(t *testing.T) {
	for text, s := range map[string]fault.Severity{"info": fault.SeverityInfo, "warning": fault.SeverityWarning, "error": fault.SeverityError} {
		if string(s) != text {
			t.Errorf("the severity %s is written %q", text, s)
		}
	}
	for want, s := range []fault.Severity{fault.SeverityInfo, fault.SeverityWarning, fault.SeverityError} {
		if got := s.Rank(); got != want {
			t.Errorf("%s has rank %d, want %d", s, got, want)
		}
	}
	if got := fault.Severity("loud").Rank(); got != -1 {
		t.Errorf("a text that is no severity has rank %d", got)
	}
}
