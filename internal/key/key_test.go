package key_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/elixirscope/foundation/internal/key"
)

type (
	tenant string
	userID uint16
	flag   bool
)

func hash(k key.Key) key.Hash { return k.Hash(key.All) }

func TestOfDoesNotAllocate(t *testing.T) {
	org, user, id := strings.Repeat("o", 9), strings.Repeat("u", 40), uint64(1)<<60
	var sink key.Hash
	allocs := testing.AllocsPerRun(100, func() {
		id++
		k := key.Of(org, user, id, int(id))
		sink = k.Hash(2)
	})
	if allocs != 0 {
		t.Errorf("a key and its hash cost %v allocations", allocs)
	}
	_ = sink
}

func TestScenario43_DistinctKeysNeverShareAHash(t *testing.T) {
	long := strings.Repeat("k", 40_000)
	keys := []key.Key{
		{},
		key.Of(""), key.Of("", ""), key.Of("", "", ""), key.Of("", "", "", ""), key.Of("", "", "", "", ""),
		key.Of("a:b", "c"), key.Of("a", "b:c"), key.Of("ab", "c"), key.Of("a", "bc"), key.Of("abc"),
		key.Of("a/b"), key.Of("a", "b"), key.Of("-"), key.Of("%2D"), key.Of("a\x00"), key.Of("a"), key.Of("a", ""), key.Of("", "a"),
		key.Of("\xff"), key.Of("\xfe"), key.Of("\xff\xfe"), key.Of("\ufffd"), key.Of("é"), key.Of("e\u0301"),
		key.Of(long), key.Of(long + "x"), key.Of(long[1:]), key.Of(long[:20_000], long[20_000:]),
		key.Of(1), key.Of(-1), key.Of(12), key.Of(1, 2), key.Of("1-2"),
		key.Of("a", "b", "c", "d/e"), key.Of("a", "b", "c", "d", "e"), key.Of("a", "b", "c", "d%2Fe"), key.Of("a", "b", "c", "d", "", "e"),
		key.Of(struct{ A, B string }{"x", "y z"}), key.Of(struct{ A, B string }{"x y", "z"}), key.Of(true), key.Of(1.5),
	}
	texts, hashes := map[string]int{}, map[key.Hash]int{}
	for i, k := range keys {
		if j, taken := hashes[hash(k)]; taken {
			t.Errorf("%.40q and %.40q share a hash", k.Text(), keys[j].Text())
		}
		if j, taken := texts[k.Text()]; taken {
			t.Errorf("keys %d and %d share the text %.40q", i, j, k.Text())
		}
		hashes[hash(k)], texts[k.Text()] = i, i
		if back := key.ParseText(k.Text()); hash(back) != hash(k) || back.Text() != k.Text() {
			t.Errorf("%.40q came back as %.40q", k.Text(), back.Text())
		}
	}
}

// A key of true and one of "true" shared a quota, and so did every other value and
// the text that it was written out as.
func TestKindsNeverCollide(t *testing.T) {
	type named struct{ N int }
	var p *int
	n := 1
	values := []any{
		nil, true, false, 1.0, 1.5, -0.5, 1e21, math.Inf(1), math.NaN(), 1 + 2i, p, &n, (map[string]int)(nil), (chan int)(nil), (func())(nil),
		[]int(nil),
		[]int{1},
		[1]int{1},
		[]int{1, 1},
		[0]int{},
		[]float64{1},
		[]bool{true},
		[]string{"true"},
		[]any{nil},
		[]any{"nil"},
		[]any{1},
		[]any{1.0},
		named{1},
		struct{ N float64 }{1},
		struct{ N string }{"1"},
		[3]int{1, 2, 3},
		[]any{int8(1)},
		[]any{named{1}},
		struct{ A struct{ X, Y int } }{struct{ X, Y int }{1, 2}},
		struct {
			A int
			B struct{ Y int }
		}{1, struct{ Y int }{2}},
		struct {
			A []int
			B int
		}{[]int{1}, 2},
		struct {
			A int
			B []int
			C int
		}{1, nil, 2},
	}
	seen := map[key.Hash]string{}
	check := func(k key.Key, what string) {
		t.Helper()
		if other, taken := seen[hash(k)]; taken {
			t.Errorf("%s is the key of %s", what, other)
		}
		seen[hash(k)] = what
		if back := key.ParseText(k.Text()); hash(back) != hash(k) || back.Text() != k.Text() {
			t.Errorf("%s: %q came back as %q", what, k.Text(), back.Text())
		}
	}
	for i, v := range values {
		k := key.Of("v", v)
		what := fmt.Sprintf("value %d, %T", i, v)
		check(k, what)
		text, _ := strings.CutPrefix(k.Text(), "v/")
		for _, s := range []string{text, strings.TrimPrefix(text, "!"), "<" + text + ">"} {
			if hash(key.Of("v", s)) == hash(k) || key.Of("v", s).Text() == k.Text() {
				t.Errorf("%s is the text %q", what, s)
			}
		}
		for parts := range key.MaxParts {
			before := []any{"a", "b", "c"}[:parts]
			if one, other := key.Of(append(before[:parts:parts], v)...), key.Of(append(before[:parts:parts], text)...); hash(one) == hash(other) {
				t.Errorf("%s as part %d is its text", what, parts)
			}
		}
	}
	for _, k := range []key.Key{key.Of("!"), key.Of("!true"), key.Of("!", "!!"), key.ParseText("!"), key.ParseText("!-"), key.ParseText("!%2F"), key.Of("-"), key.Of("a!b")} {
		check(k, k.Text())
	}
	if hash(key.Of(float32(1.5))) != hash(key.Of(1.5)) || hash(key.Of(flag(true))) != hash(key.Of(true)) {
		t.Error("a value of a derived type, or of another width, is another key")
	}
	if got := key.Of(true, nil, 1.0, "!x").Text(); got != "!true/!nil/!1.0/%21x" {
		t.Errorf("they read %q", got)
	}
}

func TestAnIntegerIsItsDecimalText(t *testing.T) {
	want := hash(key.Of("org", "42"))
	for _, v := range []any{42, int8(42), int16(42), int32(42), int64(42), uint(42), uint8(42), uint16(42), uint32(42), uint64(42), userID(42), tenant("42")} {
		k := key.Of(tenant("org"), v)
		if hash(k) != want {
			t.Errorf("%T is another part than its text", v)
		}
		if k.Text() != "org/42" {
			t.Errorf("%T reads %q", v, k.Text())
		}
	}
	for n := int64(1); n > 0; n *= 3 {
		for _, v := range []int64{n, -n, n - 1, n / 2} {
			if hash(key.Of(tenant("org"), v)) != hash(key.Of("org", strconv.FormatInt(v, 10))) {
				t.Errorf("%d is another part than its text", v)
			}
		}
		if hash(key.Of(uint64(n)<<1, "x")) != hash(key.Of(strconv.FormatUint(uint64(n)<<1, 10), "x")) {
			t.Errorf("twice %d is another part than its text", n)
		}
	}
	if key.Of(int64(-1<<63), ^uint64(0)).Text() != "-9223372036854775808/18446744073709551615" {
		t.Error("the extremes read differently")
	}
}

func TestPrefixesAreKeysOfTheirOwn(t *testing.T) {
	k := key.Of("org", 7, "x", "y")
	for n := range 6 {
		first := k.First(n)
		if k.Hash(n) != hash(first) || first.Len() != min(n, 4) {
			t.Errorf("the first %d parts are not the key %q", n, first.Text())
		}
	}
	if !k.First(-1).IsZero() || k.Hash(-1) != hash(key.Key{}) || k.IsZero() {
		t.Error("no parts is not the zero key")
	}
}

func TestText(t *testing.T) {
	for want, k := range map[string]key.Key{
		"":                      {},
		"-":                     key.Of(""),
		"%2D":                   key.Of("-"),
		"user/42":               key.Of("user", 42),
		"2001:db8::1":           key.Of("2001:db8::1"),
		"azAZ09":                key.Of("azAZ09"),
		"@/%5B%60%7B":           key.Of("@", "[`{"),
		"a%2Fb/%00%FF%C3%A9%25": key.Of("a/b", "\x00\xffé%"),
		"1/2/3/4/5/a%2Fb":       key.Of(1, 2, 3, 4, 5, "a/b"),
	} {
		if k.Text() != want || k.String() != want {
			t.Errorf("got %q, want %q", k.Text(), want)
		}
	}
	for text, want := range map[string]string{"50%/%zz/%4": "50%25/%25zz/%254", "%4z": "%254z", "%z4": "%25z4", "%4%31": "%2541", "a%": "a%25"} {
		if got := key.ParseText(text).Text(); got != want {
			t.Errorf("broken escapes do not stand for themselves: %q became %q, want %q", text, got, want)
		}
	}
}

func TestKeysStaySmall(t *testing.T) {
	if size := unsafe.Sizeof(key.Key{}); size > 72 {
		t.Errorf("a key has %d bytes and is copied at every call", size)
	}
}

func BenchmarkOfAndHash(b *testing.B) {
	user := strings.Repeat("u", 12)
	for b.Loop() {
		k := key.Of(user)
		if k.Hash(key.All) == (key.Hash{}) {
			b.Fatal("zero")
		}
	}
}

func BenchmarkHashOfTwo(b *testing.B) {
	k := key.Of("user", uint64(123456))
	for b.Loop() {
		if k.Hash(key.All) == (key.Hash{}) {
			b.Fatal("zero")
		}
	}
}

func BenchmarkOf(b *testing.B) {
	user := strings.Repeat("u", 12)
	for b.Loop() {
		k := key.Of(user)
		if k.IsZero() {
			b.Fatal("zero")
		}
	}
}

func BenchmarkHashOfABigNumber(b *testing.B) {
	k := key.Of("user", uint64(1)<<60)
	for b.Loop() {
		if k.Hash(key.All) == (key.Hash{}) {
			b.Fatal("zero")
		}
	}
}

func BenchmarkHash(b *testing.B) {
	k := key.Of(strings.Repeat("u", 12))
	for b.Loop() {
		if k.Hash(key.All) == (key.Hash{}) {
			b.Fatal("zero")
		}
	}
}
