// Package errtree takes errors apart that are several, as those of errors.Join are.
//
// errors.Is and errors.As answer for any error of the tree: whoever asks them for a
// harmless one does not see what stands beside it. A judgement of the whole has to
// be made path by path.
package errtree

import (
	"reflect"
	"slices"
)

// All reports whether is holds for each path of err's tree, from err itself to a leaf,
// and asks until it does not. A path is an error whose Unwrap leads to one error at
// most: err itself, if it joins no others. It is true for nil. An is that captures
// nothing costs no allocation unless errors are joined.
func All(err error, is func(error) bool) bool {
	switch {
	case err == nil:
		return true
	case !Joins(err):
		return is(err)
	}
	return walk(err, is)
}

// Joins reports whether err, or one that it wraps, joins others: whether it has more
// than one path. It does not allocate.
func Joins(err error) bool {
	for err != nil {
		switch x := err.(type) { //nolint:errorlint // it is the tree itself that is walked
		case interface{ Unwrap() error }:
			err = x.Unwrap()
		case interface{ Unwrap() []error }:
			return true
		default:
			return false
		}
	}
	return false
}

// Worst judges each path of err and returns the answer that comes first in order,
// from the worst to the most harmless. An error that joins none is judged as it is,
// also if it is nil.
func Worst[T comparable](err error, judge func(error) T, order ...T) T {
	if !Joins(err) {
		return judge(err)
	}
	worst := len(order) - 1
	All(err, func(one error) bool {
		if i := slices.Index(order, judge(one)); i >= 0 {
			worst = min(worst, i)
		}
		return worst > 0
	})
	return order[worst]
}

func walk(err error, is func(error) bool) bool {
	leaf := true
	for _, next := range below(err) {
		if next == nil {
			continue
		}
		leaf = false
		if !walk(next, func(rest error) bool { return is(&path{err, rest}) }) {
			return false
		}
	}
	return !leaf || is(err)
}

func below(err error) []error {
	switch x := err.(type) { //nolint:errorlint // the walk itself
	case interface{ Unwrap() error }:
		return []error{x.Unwrap()}
	case interface{ Unwrap() []error }:
		return x.Unwrap()
	}
	return nil
}

// path is an error and one of those that it leads to.
type path struct{ head, rest error }

// Error implements error.
func (p *path) Error() string { return p.head.Error() }

// Unwrap returns the rest of the path.
func (p *path) Unwrap() error { return p.rest }

// Is is what errors.Is would find at the head alone.
func (p *path) Is(target error) bool {
	if reflect.TypeOf(target).Comparable() && p.head == target {
		return true
	}
	x, ok := p.head.(interface{ Is(target error) bool })
	return ok && x.Is(target)
}

// As is what errors.As would find at the head alone.
func (p *path) As(target any) bool {
	to := reflect.ValueOf(target).Elem()
	if reflect.TypeOf(p.head).AssignableTo(to.Type()) {
		to.Set(reflect.ValueOf(p.head))
		return true
	}
	x, ok := p.head.(interface{ As(target any) bool })
	return ok && x.As(target)
}
