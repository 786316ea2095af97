package yamlx

import (
	"strconv"
	"strings"
)

// Path names a place in a document as a JSON Pointer, as in
// "/breakers/payments/window". The document itself is "".
type Path string

var (
	escape   = strings.NewReplacer("~", "~0", "/", "~1")
	unescape = strings.NewReplacer("~1", "/", "~0", "~")
)

// Key returns the path of a mapping's entry.
func (p Path) Key(key string) Path {
	if strings.ContainsAny(key, "~/") {
		key = escape.Replace(key)
	}
	return p + "/" + Path(key)
}

// Index returns the path of a list's element.
func (p Path) Index(i int) Path { return p + "/" + Path(strconv.Itoa(i)) }

// Join returns the path of a field that a part named with dots, as in
// "options.dsn", "routes[0].match" or, for a key of any text, `overrides["a.b/c"].limit`.
func (p Path) Join(field string) Path {
	if field == "" {
		return p
	}
	for field != "" {
		var key string
		inner, ok := strings.CutPrefix(field, "[")
		quoted, err := strconv.QuotedPrefix(inner)
		switch {
		case ok && err == nil && strings.HasPrefix(inner[len(quoted):], "]"):
			key, _ = strconv.Unquote(quoted)
			field = inner[len(quoted)+1:]
		case ok:
			key, field, _ = strings.Cut(inner, "]") // a name may have dots
		default:
			end := strings.IndexAny(field, ".[")
			if end < 0 {
				end = len(field)
			}
			key, field = field[:end], field[end:]
		}
		field = strings.TrimPrefix(field, ".")
		p = p.Key(key)
	}
	return p
}

// Parent returns the path of the value that holds p, and "" for the document.
func (p Path) Parent() Path {
	i := strings.LastIndexByte(string(p), '/')
	if i < 0 {
		return ""
	}
	return p[:i]
}

// Cut splits a path that is not the document's into its first key and the rest.
func (p Path) Cut() (key string, rest Path) {
	key, _, more := strings.Cut(string(p[1:]), "/")
	if more {
		rest = p[1+len(key):]
	}
	return unescape.Replace(key), rest
}

// Elements returns the keys of the path, unescaped.
func (p Path) Elements() []string {
	if p == "" {
		return nil
	}
	keys := strings.Split(string(p[1:]), "/")
	if strings.Contains(string(p), "~") {
		for i, key := range keys {
			keys[i] = unescape.Replace(key)
		}
	}
	return keys
}

// String renders the path for people: "gateway.routes[0].match". A key with
// something other than a word in it is quoted.
func (p Path) String() string {
	var b strings.Builder
	for _, key := range p.Elements() {
		if _, err := strconv.Atoi(key); err == nil {
			b.WriteString("[" + key + "]")
			continue
		}
		if strings.ContainsFunc(key, func(r rune) bool {
			return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) {
			key = strconv.Quote(key)
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(key)
	}
	return b.String()
}
