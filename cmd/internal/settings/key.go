package settings

import (
	"strconv"
	"strings"

	"github.com/elixirscope/foundation/fault"
)

// KeyKind says where a part of a request's key comes from.
type KeyKind uint8

// The kinds of key part.
const (
	KeyLiteral  KeyKind = iota // the text itself
	KeyRemoteIP                // the client's address, IPv6 by its /64
	KeyHeader                  // a request header
	KeyCookie                  // a cookie
	KeyPath                    // a segment of the path, from 1
)

// KeyPart is one part of a key template.
type KeyPart struct {
	Kind  KeyKind
	Text  string // the literal, or the name of the header or cookie
	Index int    // the segment of the path
}

// MaxKeyParts is the greatest number of parts of a key.
const MaxKeyParts = 4

// ParseKey reads a key template: one to four parts joined with "/", each of
// them {remote_ip}, {header:NAME}, {cookie:NAME}, {path:N} or plain text, as in
// "{header:X-Org}/{header:X-User}". The empty template has no parts: it is the
// rule's one shared bucket. The error is a [fault.InvalidConfig].
func ParseKey(template string) ([]KeyPart, error) {
	if template == "" {
		return nil, nil
	}
	texts := strings.Split(template, "/")
	var problems fault.Problems
	problems.Require(len(texts) <= MaxKeyParts, "key", template, "has %d parts, at most %d are allowed", len(texts), MaxKeyParts)
	parts := make([]KeyPart, 0, len(texts))
	for _, text := range texts {
		part, problem := parseKeyPart(text)
		problems.Require(problem == "", "key", template, "%s", problem)
		parts = append(parts, part)
	}
	if err := problems.Err("config", ""); err != nil {
		return nil, err
	}
	return parts, nil
}

const keyForms = "use {remote_ip}, {header:NAME}, {cookie:NAME}, {path:N} or plain text"

func parseKeyPart(text string) (part KeyPart, problem string) {
	inner, braced := strings.CutPrefix(text, "{")
	if !braced {
		if text == "" || strings.ContainsAny(text, "{}") {
			return part, "unknown part " + strconv.Quote(text) + "; " + keyForms
		}
		return KeyPart{Kind: KeyLiteral, Text: text}, ""
	}
	inner, closed := strings.CutSuffix(inner, "}")
	kind, argument, _ := strings.Cut(inner, ":")
	switch {
	case !closed:
		return part, strconv.Quote(text) + " is never closed with }; " + keyForms
	case inner == "remote_ip":
		return KeyPart{Kind: KeyRemoteIP}, ""
	case kind == "header" && isToken(argument):
		return KeyPart{Kind: KeyHeader, Text: argument}, ""
	case kind == "cookie" && isToken(argument):
		return KeyPart{Kind: KeyCookie, Text: argument}, ""
	case kind == "path":
		n, err := strconv.Atoi(argument)
		if err != nil || n < 1 || n > 100 {
			return part, strconv.Quote(text) + " needs the number of a segment from 1 to 100, as in {path:2}"
		}
		return KeyPart{Kind: KeyPath, Index: n}, ""
	case kind == "header" || kind == "cookie":
		return part, strconv.Quote(text) + " needs a name, as in {" + kind + ":NAME}"
	}
	return part, strconv.Quote(text) + " is not known; " + keyForms
}

// isToken reports whether text may name a header or a cookie (RFC 9110, 5.6.2).
func isToken(text string) bool {
	for i := range len(text) {
		c := text[i]
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alnum && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return text != ""
}
