package httpworker

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// Options are the options of the kind. BaseURL is required.
type Options struct {
	// BaseURL is the absolute http or https URL that all paths are below.
	BaseURL string `yaml:"base_url" config:"local"`
	// Headers are sent with every request; a request's own value takes precedence.
	// They are not sent to another host that a redirect leads to.
	Headers map[string]string `yaml:"headers" config:"secret,local"`
	// Timeout bounds one request from its begin to the end of the answer's body;
	// 30 s by default.
	Timeout time.Duration `yaml:"timeout"`
	// MaxRedirects is how many redirects are followed, 10 by default. With a negative
	// number (0 in a file) none is, and the redirecting answer is the result.
	MaxRedirects int `yaml:"max_redirects" config:"zero"`
	// MaxResponse is the greatest length of an answer's body in bytes, 10 MiB by
	// default. A longer one is an error.
	MaxResponse int64 `yaml:"max_response" config:"size"`
	// Proxy is the URL of a proxy; empty means none. The environment is not read.
	Proxy string `yaml:"proxy" config:"secret,local"`
	// Isolate gives each worker connections of its own; false lets the workers of a
	// pool share theirs.
	Isolate bool `yaml:"isolate"`
	// HealthPath is asked for to check a worker; empty means that workers are not
	// checked. It is a path below BaseURL, without a query. An answer of 500 or above
	// fails the check.
	HealthPath string `yaml:"health_path"`
}

// The defaults that zero fields stand for.
const (
	DefaultTimeout      = 30 * time.Second
	DefaultMaxRedirects = 10
	DefaultMaxResponse  = 10 << 20
)

// Validate returns every fault of o as one [fault.InvalidConfig], or nil.
func (o Options) Validate() error {
	var ps fault.Problems
	if o.BaseURL == "" {
		ps.Add("options.base_url", "", "is required, as in https://api.example.com/v1")
	} else {
		checkURL(&ps, "options.base_url", o.BaseURL)
	}
	if o.Proxy != "" {
		checkURL(&ps, "options.proxy", o.Proxy)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Headers)) {
		ps.Require(validHeader(name, o.Headers[name]), "options.headers", name, "is not a legal header, or its value has control characters")
	}
	ps.Require(o.Timeout >= 0, "options.timeout", o.Timeout, "must not be negative")
	ps.Require(o.MaxResponse >= 0, "options.max_response", o.MaxResponse, "must not be negative")
	if base, err := url.Parse(o.BaseURL); err == nil && o.HealthPath != "" {
		_, err := locate(pathed(base), o.HealthPath)
		ps.Require(err == nil, "options.health_path", o.HealthPath, "must be a plain path below the base URL, without a query")
	}
	return ps.Err("connection_pool", "")
}

// checkURL never repeats the URL: it may hold a password.
func checkURL(ps *fault.Problems, field, text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		ps.Add(field, "", "cannot be parsed as a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		ps.Add(field, "", "needs the scheme http or https")
	case u.Host == "":
		ps.Add(field, u.Redacted(), "names no host")
	case u.RawQuery != "" || u.Fragment != "":
		ps.Add(field, "", "must not have a query or fragment")
	}
}

// pathed gives base the path that it means, so that paths are told from it by their
// prefix.
func pathed(base *url.URL) *url.URL {
	if base.Path == "" {
		base.Path = "/"
	}
	return base
}

func validHeader(name, value string) bool {
	token := func(r rune) bool {
		return r > ' ' && r < 0x7f && !strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	}
	control := func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
	return name != "" && strings.IndexFunc(name, func(r rune) bool { return !token(r) }) < 0 && strings.IndexFunc(value, control) < 0
}

func (o Options) effective() Options {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxRedirects == 0 {
		o.MaxRedirects = DefaultMaxRedirects
	}
	if o.MaxResponse == 0 {
		o.MaxResponse = DefaultMaxResponse
	}
	return o
}
