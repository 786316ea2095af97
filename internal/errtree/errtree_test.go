package errtree_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"testing"

	"github.com/elixirscope/foundation/internal/errtree"
)

// kind is an error that answers for others by methods of its own.
type kind struct{ of error }

func (k kind) Error() string        { return "kind" }
func (k kind) Is(target error) bool { return target == io.ErrUnexpectedEOF }
func (k kind) As(target any) bool {
	if p, ok := target.(**fs.PathError); ok {
		*p = &fs.PathError{Op: "as told"}
		return true
	}
	return false
}
func (k kind) Unwrap() error { return k.of }

func TestAll(t *testing.T) {
	a, b, c := errors.New("a"), errors.New("b"), errors.New("c")
	for name, test := range map[string]struct {
		err  error
		want [][]error // what each path is, of a, b and c
	}{
		"nil":              {nil, nil},
		"one":              {a, [][]error{{a}}},
		"wrapped":          {fmt.Errorf("more: %w", a), [][]error{{a}}},
		"joined":           {errors.Join(a, b), [][]error{{a}, {b}}},
		"joined and nil":   {errors.Join(nil, a, nil), [][]error{{a}}},
		"two verbs":        {fmt.Errorf("%w: %w", a, b), [][]error{{a}, {b}}},
		"wrapped and deep": {fmt.Errorf("x: %w", errors.Join(fmt.Errorf("y: %w", a), errors.Join(b, c))), [][]error{{a}, {b}, {c}}},
		"kinds":            {kind{errors.Join(kind{a}, b)}, [][]error{{a}, {b}}},
		"kind of nothing":  {kind{}, [][]error{{}}},
	} {
		var got [][]error
		errtree.All(test.err, func(p error) bool {
			is := slices.DeleteFunc([]error{a, b, c}, func(e error) bool { return !errors.Is(p, e) })
			got = append(got, is)
			if p.Error() != test.err.Error() && errors.Unwrap(p) != nil {
				t.Errorf("%s: a path reads %q", name, p)
			}
			return true
		})
		if !slices.EqualFunc(got, test.want, slices.Equal) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// The head of a path answers as the error that it is.
func TestAll_HeadsAnswerForThemselves(t *testing.T) {
	err := kind{errors.Join(errors.New("a"), &fs.PathError{Op: "read", Err: io.EOF})}
	if !errtree.All(err, func(p error) bool {
		_, own := errors.AsType[kind](p)
		path, told := errors.AsType[*fs.PathError](p)
		if !own || !told || path.Op != "as told" || !errors.Is(p, io.ErrUnexpectedEOF) || !errors.Is(p, err) {
			t.Errorf("%v: own %v, told %v", p, own, told)
		}
		return true
	}) {
		t.Error("not all")
	}
}

func TestAll_AsksUntilItDoesNotHold(t *testing.T) {
	n := 0
	all := errtree.All(errors.Join(io.EOF, errors.Join(io.EOF, io.EOF), io.EOF), func(error) bool { n++; return n < 2 })
	if n != 2 || all {
		t.Errorf("%d paths, all %v", n, all)
	}
	if !errtree.All(nil, func(error) bool { return false }) {
		t.Error("nil has a path")
	}
}

func TestJoins(t *testing.T) {
	deep := fmt.Errorf("x: %w", fmt.Errorf("y: %w", io.EOF))
	if allocs := testing.AllocsPerRun(100, func() {
		if errtree.Joins(deep) || errtree.Joins(nil) || !errtree.Joins(errors.Join(io.EOF)) {
			t.Error("wrong")
		}
	}); allocs > 2 { // those of errors.Join
		t.Errorf("%v allocations", allocs)
	}
	if !errtree.Joins(kind{errors.Join(io.EOF, deep)}) {
		t.Error("a join that is wrapped")
	}
}

func TestWorst(t *testing.T) {
	judge := func(err error) string {
		switch {
		case err == nil:
			return "nothing"
		case errors.Is(err, io.EOF):
			return "good"
		case errors.Is(err, io.ErrClosedPipe):
			return "neutral"
		default:
			return "bad"
		}
	}
	for want, errs := range map[string][]error{
		"nothing": {nil},
		"neutral": {io.ErrClosedPipe, errors.Join(io.ErrClosedPipe)},
		"good":    {io.EOF, errors.Join(io.ErrClosedPipe, io.EOF), errors.Join(io.EOF, io.ErrClosedPipe)},
		"bad":     {io.ErrNoProgress, fmt.Errorf("%w, %w", io.EOF, io.ErrNoProgress), errors.Join(io.ErrNoProgress, io.ErrClosedPipe)},
	} {
		for _, err := range errs {
			if got := errtree.Worst(err, judge, "bad", "good", "neutral"); got != want {
				t.Errorf("%v is %s, want %s", err, got, want)
			}
		}
	}
}
