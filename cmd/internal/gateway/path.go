package gateway

import (
	"net/url"
	"path"
	"strings"
)

// stripPrefix takes prefix off the path, in both of its forms: what is encoded
// behind it stays so.
func stripPrefix(u *url.URL, prefix string) {
	rest, ok := strings.CutPrefix(u.Path, prefix)
	if !ok || rest != "" && rest[0] != '/' {
		return
	}
	if u.RawPath != "" {
		u.RawPath = cutEncoded(u.RawPath, len(prefix))
	}
	if u.Path = rest; rest == "" {
		u.Path = "/"
	}
}

// cutEncoded returns what follows the first n characters of a valid encoded path,
// any of which may be written as %XX.
func cutEncoded(encoded string, n int) string {
	for ; n > 0; n-- {
		if encoded[0] == '%' {
			encoded = encoded[2:]
		}
		encoded = encoded[1:]
	}
	return encoded
}

// hidesDots reports whether the path has a segment "." or ".." that only shows
// once it is decoded, as in /a/%2e%2e/b or /a/..%2Fb. The mux does not see such a
// segment, but many an upstream does, and would serve what no route leads to. A
// backslash divides segments for some of them.
func hidesDots(u *url.URL) bool {
	if u.RawPath == "" { // then nothing is encoded that need not be
		return false
	}
	for segment := range strings.FieldsFuncSeq(u.Path, func(c rune) bool { return c == '/' || c == '\\' }) {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// redirection returns the target of a redirect of the mux: the clean form of the
// path as it was sent. The mux encodes what is encoded already, or forgets that it
// was; of its own target only the slash at the end is right.
func redirection(u *url.URL, target string) string {
	target, _, _ = strings.Cut(target, "?")
	clean := path.Clean("/" + u.EscapedPath())
	if strings.HasSuffix(target, "/") && clean != "/" {
		clean += "/"
	}
	if u.RawQuery != "" {
		clean += "?" + u.RawQuery
	}
	return clean
}
