// Package routing finds the handler of a request by the patterns of net/http's ServeMux,
// for tables of tens of thousands.
//
// A ServeMux compares each new pattern with all before it that end in a slash, and with
// many of the others. So the registration of 20,000 prefixes takes half a minute of a
// processor. A [Mux] divides the patterns by what tells requests apart (the host, then
// one segment of the path after the other) among many small ServeMuxes, of which each
// request asks one. A pattern that says nothing of what divides is in all of them. Hence
// each of them has every pattern that can match the requests that are led to it, and
// answers what one ServeMux of all patterns would; and any two patterns that can match
// one request meet in one of them, which refuses those that conflict.
package routing

import (
	"fmt"
	"hash/maphash"
	"net"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
)

const (
	// fewPatterns need not be divided.
	fewPatterns = 64
	// MaxAlike bounds the patterns that nothing tells apart but wildcards and methods.
	// They are compared with one another.
	MaxAlike = 1000
	// levels are the host and the segments of a path that may divide.
	levels = 1 + 16
)

// Mux is a table of patterns, made by [New] and filled by [Mux.Handle]. Requests may be
// led by it concurrently once it is filled.
type Mux struct{ root node }

// node is a ServeMux, or what leads to many.
type node struct {
	mux      *http.ServeMux // of a leaf
	patterns int            // in the leaf
	level    int            // what divides the children
	children []node
}

var seed = maphash.MakeSeed()

// New returns a Mux that the patterns are to be put into. Those that are not valid are
// as good as not there.
func New(patterns []string) *Mux { return &Mux{divide(patterns, 0, fewPatterns)} }

// partOf returns what a pattern wants to stand at a level: the host at 0, and then the
// segments of the path. It reports false where the pattern takes whatever stands there.
// It need not be strict: whether a pattern is valid, a ServeMux says.
func partOf(pattern string, level int) (part string, decides bool) {
	if i := strings.IndexAny(pattern, " \t"); i >= 0 {
		pattern = strings.TrimLeft(pattern[i:], " \t")
	}
	host, path, _ := strings.Cut(pattern, "/")
	if level == 0 {
		return host, host != ""
	}
	for ; ; level-- {
		segment, rest, more := strings.Cut(path, "/")
		switch {
		case segment == "" && !more, strings.HasSuffix(segment, "...}"): // takes all that follows
			return "", false
		case segment == "{$}" || level > 1 && !more: // nothing may follow
			return "", true
		case level == 1:
			// ServeMux takes a segment that is empty for a wildcard.
			return literal(segment), segment != "" && !strings.HasPrefix(segment, "{")
		}
		path = rest
	}
}

func literal(segment string) string {
	if text, err := url.PathUnescape(segment); err == nil {
		return text
	}
	return segment
}

// divide spreads patterns over leaves of few.
func divide(patterns []string, level, few int) node {
	for ; level < levels && len(patterns) > few; level++ {
		general := 0
		for _, p := range patterns {
			if _, decides := partOf(p, level); !decides {
				general++
			}
		}
		// As many children as keep a leaf small, but not so many that the general
		// patterns, which are in all of them, become more than all patterns were.
		children := 2 * (len(patterns) - general) / few
		if general > 0 {
			children = min(children, 2*len(patterns)/general)
		}
		if children < 2 {
			continue
		}
		if n, ok := spread(patterns, level, children, few); ok {
			return n
		}
	}
	return node{mux: http.NewServeMux()}
}

// spread divides patterns by a level, or reports that it tells none of them apart.
func spread(patterns []string, level, children, few int) (node, bool) {
	groups := make([][]string, children)
	for _, p := range patterns {
		part, decides := partOf(p, level)
		if decides {
			g := bucket(part, children)
			groups[g] = append(groups[g], p)
			continue
		}
		for g := range groups {
			groups[g] = append(groups[g], p)
		}
	}
	n := node{level: level, children: make([]node, children)}
	for i, group := range groups {
		if len(group) == len(patterns) {
			return node{}, false
		}
		n.children[i] = divide(group, level+1, few)
	}
	return n, true
}

func bucket(part string, children int) int {
	return int(maphash.String(seed, part) % uint64(children))
}

// registeredAt is what a ServeMux says of our source, which is of no use to a reader of
// the configuration.
var registeredAt = regexp.MustCompile(`\s*\(registered at [^)]*\)`)

// ConflictError is a pattern that cannot stand beside another: the two are the same, or both
// match some requests and neither is more specific.
type ConflictError struct {
	With   string // the other pattern
	reason string
}

// Error says which requests match both.
func (c *ConflictError) Error() string { return c.reason }

// Handle puts h behind a pattern that New was given. The error is a [*ConflictError], or says
// what is wrong with the pattern. Then others may be tried for what is wrong with them, but
// no request is to be led by the Mux.
func (m *Mux) Handle(pattern string, h http.Handler) error { return m.root.handle(pattern, h) }

func (n *node) handle(pattern string, h http.Handler) error {
	if n.mux != nil {
		if n.patterns++; n.patterns > MaxAlike {
			return fmt.Errorf("more than %d patterns differ in wildcards or methods alone: give them hosts, or segments, of their own", MaxAlike)
		}
		return register(n.mux, pattern, h)
	}
	part, decides := partOf(pattern, n.level)
	if decides {
		return n.children[bucket(part, len(n.children))].handle(pattern, h)
	}
	for i := range n.children {
		if err := n.children[i].handle(pattern, h); err != nil {
			return err
		}
	}
	return nil
}

// register turns the panic of a bad or conflicting pattern into an error.
func register(mux *http.ServeMux, pattern string, h http.Handler) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		reason := registeredAt.ReplaceAllString(fmt.Sprint(p), "")
		if _, after, conflict := strings.Cut(reason, " conflicts with pattern "); conflict {
			quoted, _ := strconv.QuotedPrefix(after)
			with, _ := strconv.Unquote(quoted)
			err = &ConflictError{With: with, reason: reason}
			return
		}
		if _, why, ok := strings.Cut(reason, ": "); ok {
			reason = why
		}
		err = fmt.Errorf("invalid pattern: %s", reason)
	}()
	mux.Handle(pattern, h)
	return nil
}

// Handler does what the method of [http.ServeMux] does, for all methods but CONNECT.
func (m *Mux) Handler(r *http.Request) (h http.Handler, pattern string) {
	n := &m.root
	if n.mux == nil {
		at := placeOf(r)
		for n.mux == nil {
			n = &n.children[bucket(at.part(n.level), len(n.children))]
		}
	}
	return n.mux.Handler(r)
}

// place is what a ServeMux looks at.
type place struct {
	host, path string
	encoded    bool // the path is
}

func placeOf(r *http.Request) place {
	p := place{host: r.Host, path: r.URL.Path}
	if r.URL.RawPath != "" {
		p.path, p.encoded = r.URL.EscapedPath(), true
	}
	if strings.Contains(p.host, ":") {
		if host, _, err := net.SplitHostPort(p.host); err == nil {
			p.host = host
		}
	}
	if !strings.HasPrefix(p.path, "/") {
		p.path = "/" + p.path
	}
	if strings.Contains(p.path, "//") || strings.Contains(p.path, "/.") {
		slash := strings.HasSuffix(p.path, "/")
		if p.path = path.Clean(p.path); slash && p.path != "/" {
			p.path += "/"
		}
	}
	return p
}

// part returns what stands at a level. Nothing, where the path has ended before, is as
// a slash at the end, which a path is redirected to.
func (p *place) part(level int) string {
	if level == 0 {
		return p.host
	}
	segment, rest, _ := strings.Cut(p.path[1:], "/")
	for ; level > 1; level-- {
		segment, rest, _ = strings.Cut(rest, "/")
	}
	if p.encoded {
		return literal(segment)
	}
	return segment
}
