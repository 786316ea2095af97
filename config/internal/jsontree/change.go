package jsontree

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Merge applies a JSON merge patch (RFC 7396).
func Merge(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	old, _ := target.(map[string]any)
	out := make(map[string]any, len(old)+len(changes))
	maps.Copy(out, old)
	for key, value := range changes {
		if value == nil {
			delete(out, key)
		} else {
			out[key] = Merge(out[key], value)
		}
	}
	return out
}

// Diff returns the merge patch that makes next of old, neither of which holds a null.
// It is an empty object if there is nothing to change.
func Diff(old, next map[string]any) map[string]any {
	out := make(map[string]any)
	for key := range old {
		if _, stays := next[key]; !stays {
			out[key] = nil
		}
	}
	for key, value := range next {
		before, was := old[key]
		below, isObject := value.(map[string]any)
		belowBefore, wasObject := before.(map[string]any)
		switch {
		case was && reflect.DeepEqual(before, value):
		case isObject && wasObject:
			out[key] = Diff(belowBefore, below)
		default:
			out[key] = value
		}
	}
	return out
}

// Leaves lists the pointers of what a merge patch sets or removes, in order.
func Leaves(patch any) []string {
	var out []string
	var walk func(at string, v any)
	walk = func(at string, v any) {
		below, ok := v.(map[string]any)
		if !ok || len(below) == 0 {
			out = append(out, at)
			return
		}
		for _, key := range slices.Sorted(maps.Keys(below)) {
			walk(at+"/"+escape.Replace(key), below[key])
		}
	}
	walk("", patch)
	return out
}

var (
	escape   = strings.NewReplacer("~", "~0", "/", "~1")
	unescape = strings.NewReplacer("~1", "/", "~0", "~")
)

// Pointer reads a JSON Pointer (RFC 6901) into its keys. Problem is what is wrong with
// it, or "".
func Pointer(text string) (keys []string, problem string) {
	if text == "" {
		return nil, ""
	}
	if text[0] != '/' {
		return nil, "a pointer begins with / or is empty, as in /breakers/payments/window"
	}
	keys = strings.Split(text[1:], "/")
	for i, key := range keys {
		if bare := strings.ReplaceAll(strings.ReplaceAll(key, "~0", ""), "~1", ""); strings.Contains(bare, "~") {
			return nil, "in a pointer ~ is written ~0, and / in a key ~1"
		}
		keys[i] = unescape.Replace(key)
	}
	return keys, ""
}

// Missing is the place of a pointer that does not lead anywhere: how many of its keys
// there are, and what is wrong with the next.
type Missing struct {
	Depth   int
	Message string
	Known   []string // what there is instead
}

// Set puts value at a place, nil removes what is there. Objects on the way that are
// missing are made where create, which is given the number of keys up to there, allows
// it. In a list the last key may be "-", for a new element behind the others.
func Set(tree any, keys []string, value any, create func(depth int) bool) (any, *Missing) {
	return set(tree, keys, 0, value, create)
}

func set(tree any, keys []string, depth int, value any, create func(int) bool) (any, *Missing) {
	if depth == len(keys) {
		return value, nil
	}
	switch at := tree.(type) {
	case map[string]any:
		return setKey(at, keys, depth, value, create)
	case []any:
		return setElement(at, keys, depth, value, create)
	case nil:
		return setKey(nil, keys, depth, value, create)
	default:
		return nil, &Missing{Depth: depth, Message: "there is nothing below a single value"}
	}
}

func setKey(at map[string]any, keys []string, depth int, value any, create func(int) bool) (any, *Missing) {
	key, last := keys[depth], depth == len(keys)-1
	below, is := at[key]
	switch {
	case !is && value == nil:
		return nil, &Missing{Depth: depth, Message: "there is nothing to remove", Known: slices.Sorted(maps.Keys(at))}
	case !is && !last && !create(depth+1):
		return nil, &Missing{Depth: depth, Message: "there is nothing here", Known: slices.Sorted(maps.Keys(at))}
	}
	next, missing := set(below, keys, depth+1, value, create)
	if missing != nil {
		return nil, missing
	}
	out := make(map[string]any, len(at)+1)
	maps.Copy(out, at)
	if out[key] = next; next == nil {
		delete(out, key)
	}
	return out, nil
}

func setElement(at []any, keys []string, depth int, value any, create func(int) bool) (any, *Missing) {
	key, last := keys[depth], depth == len(keys)-1
	if key == "-" && last && value != nil {
		return append(slices.Clone(at), value), nil
	}
	i, err := strconv.Atoi(key)
	if err != nil || i < 0 || i >= len(at) || strconv.Itoa(i) != key {
		return nil, &Missing{Depth: depth, Message: "the list has " + strconv.Itoa(len(at)) + " elements, from 0; - stands for a new one at its end"}
	}
	next, missing := set(at[i], keys, depth+1, value, create)
	if missing != nil {
		return nil, missing
	}
	if next == nil {
		return slices.Delete(slices.Clone(at), i, i+1), nil
	}
	out := slices.Clone(at)
	out[i] = next
	return out, nil
}
