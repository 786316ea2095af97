package yamlx

import (
	"encoding"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/elixirscope/foundation/internal/suggest"
)

// scalar decodes a single value.
func (d *Decoder) scalar(path Path, n *Node, v reflect.Value, t tag) {
	switch {
	case n.Kind != Scalar:
		d.fault(path, n, "must be %s, not %s", Scalar, n.Kind)
	case n.Null:
		d.fault(path, n, "has no value; write one, or remove the key for the default")
	case t.word != "" && (n.Text != t.word || n.Bare):
		d.fault(path, n, "must be a mapping, or the word %s", t.word)
	case t.word != "":
		v.SetBool(true)
	case v.Type() == durationType:
		d.duration(path, n, v, t)
	case t.size: // in JSON its unit makes it text
		d.size(path, n, v, t)
	case n.Bare && isText(v):
		d.fault(path, n, "must be text, in quotes")
	case reflect.PointerTo(v.Type()).Implements(textType):
		d.text(path, n, v)
	case v.Kind() == reflect.String:
		v.SetString(n.Text)
	case n.Quoted && !n.Expanded:
		d.fault(path, n, "is text in quotes where %s is wanted; remove the quotes", wanted(v.Kind()))
	case v.Kind() == reflect.Bool:
		d.boolean(path, n, v)
	default:
		d.number(path, n, v, t)
	}
}

func isText(v reflect.Value) bool {
	return v.Kind() == reflect.String || reflect.PointerTo(v.Type()).Implements(textType)
}

func wanted(k reflect.Kind) string {
	switch k {
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a whole number"
	}
}

// text decodes a type with a text form of its own, such as a mode. Its error is
// not passed on where the text may be a secret.
func (d *Decoder) text(path Path, n *Node, v reflect.Value) {
	u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr())
	if !ok {
		return // not reached: isScalar has looked
	}
	err := u.UnmarshalText([]byte(n.Text))
	if err == nil {
		return
	}
	if words := Words(v.Type()); len(words) > 0 {
		message := "must be one of " + strings.Join(words, ", ")
		if !n.Expanded {
			if s := suggest.For(n.Text, words); strings.Contains(s, "did you mean") {
				message += s
			}
		}
		d.fault(path, n, "%s", message)
		return
	}
	if n.Expanded {
		d.fault(path, n, "is not allowed here")
		return
	}
	d.fault(path, n, "%v", err)
}

// Words lists the texts of an enumeration: a small integer type from 0 or 1 with
// a text form. Other types have none.
func Words(t reflect.Type) []string {
	if t.Kind() != reflect.Uint8 {
		return nil
	}
	var words []string
	for i := range uint64(math.MaxUint8) {
		v := reflect.New(t).Elem()
		v.SetUint(i)
		m, ok := reflect.TypeAssert[encoding.TextMarshaler](v)
		if !ok {
			return nil
		}
		text, err := m.MarshalText()
		member := err == nil && isMember(v, text)
		if !member && i > 0 {
			break
		}
		if member { // 0 may stand for "not set" and be read by no text
			words = append(words, string(text))
		}
	}
	return words
}

// isMember reports whether text is read back as v: many types give what is no
// member a text, too, and none reads it.
func isMember(v reflect.Value, text []byte) bool {
	back := reflect.New(v.Type())
	u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](back)
	return ok && u.UnmarshalText(text) == nil && back.Elem().Equal(v)
}

func (d *Decoder) boolean(path Path, n *Node, v reflect.Value) {
	switch n.Text {
	case "true", "false":
		v.SetBool(n.Text == "true")
	default:
		d.fault(path, n, "must be true or false")
	}
}

func (d *Decoder) duration(path Path, n *Node, v reflect.Value, t tag) {
	if _, err := strconv.ParseFloat(n.Text, 64); err == nil && n.Text != "0" {
		d.fault(path, n, "%s of what? write %ss, or another of the units ns, us, ms, s, m, h, d", n.shown(), n.shown())
		return
	}
	value, err := ParseDuration(n.Text)
	if err != "" {
		d.fault(path, n, "%s", err)
		return
	}
	if d.mayBe(path, n, value < 0, value == 0, t) {
		v.SetInt(int64(value))
		if value == 0 && t.zero {
			v.SetInt(-1)
		}
	}
}

// ParseDuration reads a duration as Go writes it, and also days: "7d", "1d12h".
// A day has exactly 24 hours. It returns what is wrong, or "".
func ParseDuration(text string) (value time.Duration, problem string) {
	const form = "invalid duration; write for example 250ms, 3s, 5m, 2h or 7d"
	rest := text
	if days, after, found := strings.Cut(text, "d"); found {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || math.IsNaN(n) || strings.ContainsAny(days, "eExXpP_+") {
			return 0, form
		}
		if n *= 24 * float64(time.Hour); math.Abs(n) >= math.MaxInt64 {
			return 0, "is longer than 292 years"
		}
		value, rest = time.Duration(n), after
	}
	if rest == "" && rest != text {
		return value, ""
	}
	more, err := time.ParseDuration(rest)
	if err != nil || rest != text && (more < 0 || value < 0) {
		return 0, form
	}
	if more > 0 && value > math.MaxInt64-more {
		return 0, "is longer than 292 years"
	}
	return value + more, ""
}

// mayBe checks the rules for 0 and negative values, which are the same for all
// kinds of number: a zero field of Go means its default, so a written 0 is
// legal only where it is known what it means.
func (d *Decoder) mayBe(path Path, n *Node, negative, zero bool, t tag) bool {
	switch {
	case negative && t.zero:
		d.fault(path, n, "must not be negative; write 0 for none")
	case negative:
		d.fault(path, n, "must not be negative")
	case zero && !t.zero && !t.allowZero:
		d.fault(path, n, "must not be 0; remove the key for the default")
	default:
		return true
	}
	return false
}

func (d *Decoder) number(path Path, n *Node, v reflect.Value, t tag) {
	if v.Kind() == reflect.Float64 || v.Kind() == reflect.Float32 {
		d.float(path, n, v, t)
		return
	}
	value, err := strconv.ParseInt(n.Text, 10, 64)
	unsigned := v.CanUint()
	switch {
	case err != nil:
		d.fault(path, n, "must be a whole number%s", rangeHint(err))
	case !d.mayBe(path, n, value < 0, value == 0, t):
	case unsigned && v.OverflowUint(uint64(value)) || !unsigned && v.OverflowInt(value):
		d.fault(path, n, "is too large")
	case unsigned:
		v.SetUint(uint64(value))
	case value == 0 && t.zero:
		v.SetInt(-1)
	default:
		v.SetInt(value)
	}
}

func rangeHint(err error) string {
	if strings.HasSuffix(err.Error(), strconv.ErrRange.Error()) {
		return " of at most 9223372036854775807"
	}
	return ""
}

func (d *Decoder) float(path Path, n *Node, v reflect.Value, t tag) {
	value, err := strconv.ParseFloat(n.Text, 64)
	switch {
	case err != nil && strings.HasSuffix(n.Text, "%"):
		d.fault(path, n, "must be a number; write 50%% as 0.5")
	case err != nil, math.IsNaN(value), math.IsInf(value, 0):
		d.fault(path, n, "must be a number")
	case !d.mayBe(path, n, value < 0, value == 0, t):
	case value == 0 && t.zero:
		v.SetFloat(-1)
	default:
		v.SetFloat(value)
	}
}

// autoWord stands for a default that is found out.
const autoWord = "auto"

// units of a number of bytes, the longer suffixes first.
var units = []struct {
	suffix string
	bytes  float64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
	{"kB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"B", 1},
}

func (d *Decoder) size(path Path, n *Node, v reflect.Value, t tag) {
	if t.auto && n.Text == autoWord {
		v.SetInt(0)
		return
	}
	if _, err := strconv.ParseFloat(n.Text, 64); err == nil && n.Text != "0" {
		d.fault(path, n, "%s of what? write %sMiB, or another of the units B, kB, MB, GB, TB, KiB, MiB, GiB, TiB", n.shown(), n.shown())
		return
	}
	value, ok := ParseSize(n.Text)
	switch {
	case !ok:
		d.fault(path, n, "invalid size; write for example 512B, 64KiB or 10MiB%s", map[bool]string{true: ", or auto"}[t.auto])
	case !d.mayBe(path, n, value < 0, value == 0, t):
	case value == 0 && t.zero:
		v.SetInt(-1)
	default:
		v.SetInt(value)
	}
}

// ParseSize reads a number of bytes with a unit, as in "64KiB"; "0" needs none.
func ParseSize(text string) (int64, bool) {
	if text == "0" {
		return 0, true
	}
	for _, u := range units {
		digits, found := strings.CutSuffix(text, u.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if n *= u.bytes; err != nil || math.IsNaN(n) || math.Abs(n) >= math.MaxInt64 {
			return 0, false
		}
		return int64(n), true
	}
	return 0, false
}
