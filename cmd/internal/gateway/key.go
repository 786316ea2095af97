package gateway

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/ratelimit"
)

// keyTemplate makes the key of a request, see settings.ParseKey for its text.
type keyTemplate []settings.KeyPart

// of returns the key of r; the empty template gives the rule's shared bucket.
func (t keyTemplate) of(r *http.Request) ratelimit.Key {
	switch len(t) {
	case 0:
		return ratelimit.Key{}
	case 1:
		return ratelimit.KeyOf(keyPart(r, &t[0]))
	}
	values := make([]any, len(t))
	for i := range t {
		values[i] = keyPart(r, &t[i])
	}
	return ratelimit.KeyOf(values...)
}

func keyPart(r *http.Request, part *settings.KeyPart) string {
	switch part.Kind {
	case settings.KeyLiteral:
		return part.Text
	case settings.KeyRemoteIP:
		return clientText(infoOf(r.Context()).client, r.RemoteAddr)
	case settings.KeyHeader:
		if strings.EqualFold(part.Text, "Host") { // which net/http takes out of the header
			return infoOf(r.Context()).host
		}
		return r.Header.Get(part.Text)
	case settings.KeyCookie:
		return cookieValue(r, part.Text)
	case settings.KeyPath:
		return pathSegment(r.URL.Path, part.Index)
	}
	return ""
}

func cookieValue(r *http.Request, name string) string {
	cookie, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// pathSegment returns the n-th segment of a path, counted from 1.
func pathSegment(path string, n int) string {
	i := 0
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if i++; i == n {
			return segment
		}
	}
	return ""
}

// priorityTemplate gives the priority of a request: a fixed one, or what a
// header says.
type priorityTemplate struct {
	fixed  guard.Priority
	set    bool
	header string
}

// parsePriority reads a priority or "{header:NAME}"; empty means the guard's own.
func parsePriority(text string) (priorityTemplate, error) {
	if text == "" {
		return priorityTemplate{}, nil
	}
	if name, ok := strings.CutPrefix(text, "{header:"); ok {
		name, closed := strings.CutSuffix(name, "}")
		if !closed || name == "" {
			return priorityTemplate{}, fmt.Errorf("%q is not {header:NAME}", text)
		}
		return priorityTemplate{header: http.CanonicalHeaderKey(name)}, nil
	}
	t := priorityTemplate{set: true}
	if err := t.fixed.UnmarshalText([]byte(text)); err != nil {
		return priorityTemplate{}, err
	}
	return t, nil
}

// of returns the priority of r and whether it has one. A header counts only
// from trusted peers, and is taken from all others: who may say that his
// requests matter is not for the sender to decide.
func (t priorityTemplate) of(r *http.Request) (guard.Priority, bool) {
	if t.header == "" {
		return t.fixed, t.set
	}
	if !infoOf(r.Context()).trusted {
		r.Header.Del(t.header)
		return 0, false
	}
	var p guard.Priority
	err := p.UnmarshalText([]byte(strings.ToLower(r.Header.Get(t.header))))
	return p, err == nil
}
