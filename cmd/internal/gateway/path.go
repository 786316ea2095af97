package gateway

import (
	"net/url"
	"strings"
)

// stripPrefix takes prefix off the path, in both of its forms: what is encoded
// behind it stays so.
func stripPrefix(u *url.URL, prefix string) {
	path, ok := strings.CutPrefix(u.Path, prefix)
	if !ok || path != "" && path[0] != '/' {
		return
	}
	if u.RawPath != "" {
		u.RawPath = cutEncoded(u.RawPath, len(prefix))
	}
	if u.Path = path; path == "" {
		u.Path = "/"
	}
}

// cutEncoded returns what follows the first n characters of a valid encoded path,
// any of which may be written as %XX.
func cutEncoded(path string, n int) string {
	for ; n > 0; n-- {
		if path[0] == '%' {
			path = path[2:]
		}
		path = path[1:]
	}
	return path
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
