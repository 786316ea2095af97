package fault_test

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// The text of a fault, in each of its forms, to the letter.
func TestTextToTheLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bare := fault.Spec{Code: fault.PoolFull}
		in := func(d time.Duration) fault.Spec { return fault.Spec{Code: fault.PoolFull, RetryAt: time.Now().Add(d)} }
		for want, spec := range map[string]fault.Spec{
			"pool_full: no worker is free":                            bare,
			`pool: pool_full: no worker is free`:                      {Code: fault.PoolFull, Component: "pool"},
			`pool "db": pool_full: all are busy`:                      {Code: fault.PoolFull, Component: "pool", Name: "db", Message: "all are busy"},
			`pool_full: no worker is free (busy 7)`:                   {Code: fault.PoolFull, Evidence: []fault.Fact{fault.Measure("busy", 7, "")}},
			`pool_full: no worker is free: EOF`:                       {Code: fault.PoolFull, Cause: io.EOF},
			`pool_full: no worker is free; retry in 1ms`:              in(time.Millisecond),
			"invalid_config: invalid configuration\n\tsize 0: a\n\tb": {Code: fault.InvalidConfig, Problems: []fault.Problem{{Field: "size", Value: "0", Message: "a"}, {Message: "b"}}},
		} {
			if got := fault.New(spec).Error(); got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		}
		for _, over := range []time.Duration{0, -time.Hour} {
			if f := fault.New(in(over)); f.Error() != "pool_full: no worker is free" || f.RetryAfter() != 0 {
				t.Errorf("%v: %q, retry after %v", over, f, f.RetryAfter())
			}
		}
	})
}

func TestProblemToTheLetter(t *testing.T) {
	for want, p := range map[string]fault.Problem{
		"is wrong":                               {Message: "is wrong"},
		"window: is wrong":                       {Field: "window", Message: "is wrong"},
		"window 3s: is wrong":                    {Field: "window", Value: "3s", Message: "is wrong"},
		"warning: window: is odd":                {Field: "window", Message: "is odd", Warning: true},
		"f.yaml:1:2: window 3s: is wrong":        {Field: "window", Value: "3s", Message: "is wrong", Position: "f.yaml:1:2"},
		"f.yaml:1:2: warning: window 3s: is odd": {Field: "window", Value: "3s", Message: "is odd", Position: "f.yaml:1:2", Warning: true},
	} {
		if got := p.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// net/http and net ask errors whether time ran out.
func TestTimeoutIsTrueWhereTimeRanOut(t *testing.T) {
	for _, code := range fault.Codes() {
		want := code == fault.CallTimeout || code == fault.PoolTimeout
		var timeouter interface{ Timeout() bool }
		if err := error(fault.New(fault.Spec{Code: code})); !errors.As(err, &timeouter) || timeouter.Timeout() != want {
			t.Errorf("%v: not %v", code, want)
		}
	}
}

// A number beyond the last code means no more than one far beyond.
func TestTheFirstNumberThatIsNoCode(t *testing.T) {
	codes := fault.Codes()
	next, far := codes[len(codes)-1]+1, fault.Code(200)
	if next.String() != far.String() || next.Title() != far.Title() || next.Refusal() || next.HTTPStatus() != far.HTTPStatus() {
		t.Errorf("%q and %q", next, far)
	}
	if _, ok := fault.ParseCode(next.String()); ok {
		t.Errorf("%q is a code", next)
	}
}

func TestNamesAtTheEdgesOfTheAlphabet(t *testing.T) {
	for c := range 128 {
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if got := fault.ValidName(string(rune(c))); got != letter {
			t.Errorf("ValidName(%q) is %v", rune(c), got)
		}
		if got := fault.ValidName("a" + string(rune(c))); got != (letter || c == '_' || c == '.' || c == '-') {
			t.Errorf("ValidName(%q) is %v", "a"+string(rune(c)), got)
		}
	}
}

// A nil pointer that a function returned as an error is asked by all who meet it:
// those who walk its tree, those who log it, those who judge it.
func TestANilErrorAnswersEveryQuestion(t *testing.T) {
	var none *fault.Error
	for _, method := range reflect.ValueOf(none).Methods() {
		args := make([]reflect.Value, 0, 1)
		for in := range method.Type().Ins() {
			args = append(args, reflect.Zero(in))
		}
		method.Call(args) // does not panic
	}
	var err error = none
	if want := "unknown: a nil *fault.Error was returned as an error, which is not nil: return nil"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	joined := errors.Join(io.EOF, fmt.Errorf("wrapped: %w", err))
	if fault.IsRefusal(err) || fault.IsRefusal(joined) || errors.Is(err, fault.Internal) || !errors.Is(joined, io.EOF) || errors.Is(err, io.EOF) {
		t.Error("a nil fault says that something was refused, or which fault it is")
	}
	text, jsonErr := none.MarshalJSON()
	if jsonErr != nil || !strings.Contains(string(text), `"code":"unknown","severity":"error","category":"system"`) {
		t.Errorf("%s, %v", text, jsonErr)
	}
	if got := none.LogValue().String(); !strings.Contains(got, "code=unknown") || !strings.Contains(got, "a nil *fault.Error") {
		t.Error(got)
	}
}
