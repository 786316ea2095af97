package hostname_test

import (
	"strings"
	"testing"

	"github.com/elixirscope/foundation/internal/hostname"
)

func TestSplit(t *testing.T) {
	for in, want := range map[string][2]string{
		"":                        {"", ""},
		"api.example.org":         {"api.example.org", ""},
		"API.Example.ORG":         {"api.example.org", ""},
		"api.example.org.":        {"api.example.org", ""},
		"API.example.org.:8080":   {"api.example.org", ":8080"},
		"api.example.org:":        {"api.example.org", ":"},
		"api.example.org..":       {"api.example.org.", ""}, // no name of the DNS
		"XN--Bcher-kva.example":   {"xn--bcher-kva.example", ""},
		"B\u00dcCHER.example":     {"b\u00dccher.example", ""},
		"\u212aelvin.example":     {"\u212aelvin.example", ""}, // the sign for kelvin is no k
		"127.0.0.1:80":            {"127.0.0.1", ":80"},
		"[::1]":                   {"[::1]", ""},
		"[::1]:8080":              {"[::1]", ":8080"},
		"[2001:DB8:0:0::1]:8080":  {"[2001:db8::1]", ":8080"},
		"[FE80::1%25EN0]":         {"[fe80::1%25EN0]", ""}, // the zone has no case that we know of
		"::1":                     {"::1", ""},
		"api.example.org:80:80":   {"api.example.org:80:80", ""},
		"\xffA":                   {"\xffa", ""},
		"api.example.org:http":    {"api.example.org:http", ""},
		"[API.example.org]:80":    {"[api.example.org]", ":80"},
		"[::ffff:192.0.2.1]:8080": {"[::ffff:192.0.2.1]", ":8080"},
	} {
		if host, port := hostname.Split(in); host != want[0] || port != want[1] {
			t.Errorf("%q: %q %q, want %q", in, host, port, want)
		}
	}
}

func TestPattern(t *testing.T) {
	for in, want := range map[string]string{
		"/V1/":                        "/V1/",
		"GET /V1/":                    "GET /V1/",
		"API.example.org./V1/{Id}":    "api.example.org/V1/{Id}",
		"GET API.example.org/A b":     "GET api.example.org/A b",
		"GET \t[2001:DB8::0:1]/":      "GET \t[2001:db8::1]/",
		"":                            "",
		"no pattern":                  "no pattern",
		"API.example.org:8080/":       "api.example.org/",
		"POST {HOST}.example.org/":    "POST {host}.example.org/", // net/http refuses it
		"xn--Bcher-kva.example/a/%2F": "xn--bcher-kva.example/a/%2F",
	} {
		if got, port := hostname.Pattern(in); got != want || (port != "") != strings.Contains(in, ":8080") {
			t.Errorf("%q: %q and %q, want %q", in, got, port, want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	for _, host := range []string{"API.example.org.:80", "[::1]:1", "[::1%25a]", "a:b:1", "[[::]", "]:1"} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, in string) {
		host, port := hostname.Split(in)
		if again, p := hostname.Split(host + port); strings.TrimSuffix(again, ".") != strings.TrimSuffix(host, ".") || p != port && port != "" {
			t.Errorf("%q becomes %q %q and then %q %q", in, host, port, again, p)
		}
	})
}
