package key

import (
	"strings"
)

// Text returns the key for people: its parts, percent-encoded, joined by "/".
// The zero Key is "", and an empty part is "-" (a part that is a dash is "%2D").
// A part that is neither text nor an integer has a "!" before it, as in "!true";
// one that is text and begins with "!" begins with "%21". [ParseText] reads it
// back.
func (k Key) Text() string { return string(k.AppendText(nil)) }

// String is [Key.Text].
func (k Key) String() string { return k.Text() }

// AppendText appends [Key.Text] to b.
func (k Key) AppendText(b []byte) []byte {
	for i := range int(k.n) {
		if i > 0 {
			b = append(b, '/')
		}
		b = k.appendPart(b, i)
	}
	return b
}

func (k *Key) appendPart(b []byte, i int) []byte {
	var buf [20]byte
	raw := k.bytes(i, &buf)
	switch {
	case k.kinds[i] == isFolded:
		return append(b, raw...)
	case k.kinds[i] == isValue:
		b = append(b, valueMark)
	case len(raw) == 0:
		return append(b, '-')
	case len(raw) == 1 && raw[0] == '-':
		return append(b, "%2D"...)
	case raw[0] == valueMark:
		b, raw = append(b, "%21"...), raw[1:]
	}
	for _, c := range raw {
		b = appendEncoded(b, c)
	}
	return b
}

// valueMark begins the text of a part that is a value. Of the bytes that may stand
// bare in the path of a URL it is the one that keys begin with least.
const valueMark = '!'

const hexDigits = "0123456789ABCDEF"

func appendEncoded(b []byte, c byte) []byte {
	if plain[c] {
		return append(b, c)
	}
	return append(b, '%', hexDigits[c>>4], hexDigits[c&15])
}

// plain holds the bytes that stand for themselves: what a path segment of a URL
// may hold bare, so that a key in a URL reads as it does in a table.
var plain = func() (set [256]bool) {
	const others = "-._~!$&'()*+,;=:@"
	for c := range set {
		b := byte(c)
		set[c] = 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte(others, b) >= 0
	}
	return set
}()

// ParseText returns the key that text stands for. Every text is legal: a percent
// sign without two hexadecimal digits stands for itself.
func ParseText(text string) Key {
	if text == "" {
		return Key{}
	}
	segments := strings.Split(text, "/")
	parts := make([]any, len(segments))
	for i, s := range segments {
		switch {
		case s == "-":
			parts[i] = ""
		case strings.HasPrefix(s, string(valueMark)):
			parts[i] = written(decode(s[1:]))
		default:
			parts[i] = decode(s)
		}
	}
	return Of(parts...)
}

func decode(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&15 + 9
}
