package config

import (
	"net/url"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/config/internal/yamlx"
	"github.com/elixirscope/foundation/internal/suggest"
	"github.com/elixirscope/foundation/perf"
)

// Performance says how operations are watched.
type Performance struct {
	// Off switches the section off, which is the word off in the place of the mapping. The
	// other fields are zero then.
	Off         bool `yaml:",word=off"`
	perf.Config `yaml:",inline"`
	// Webhook is the http or https URL that alerts are sent to, as JSON by POST. Default none.
	Webhook Secret `yaml:"webhook" config:"secret,local"`
}

func (k *checker) performance() {
	p := k.c.Performance
	if p == nil {
		return
	}
	path := yamlx.Path("").Key("performance")
	k.monitor("performance", p.Off, p.Config)
	if p.Webhook != "" {
		k.webhook(path.Key("webhook"), p)
	}
	for name := range p.Objectives {
		k.operation(path.Key("objectives").Key(name), name)
	}
	for name := range p.Thresholds {
		k.operation(path.Key("thresholds").Key(name), name)
	}
}

func (k *checker) webhook(path yamlx.Path, p *Performance) {
	if p.Off {
		k.add(path, "", "is set while performance is off; keep one of them")
	}
	at, err := url.Parse(string(p.Webhook))
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
		k.add(path, "", "must be an http or https URL") // it is a secret, and not shown
	}
}

// The prefixes of operations that are no guards. Routes are known to the section that has
// them, and what a program counts by itself to nobody before it runs.
const poolOperation = "pool:"

var otherOperations = []string{"route:", "op:"}

// operation checks the name of an operation: that of a guard, or one with a prefix.
func (k *checker) operation(path yamlx.Path, name string) {
	if pool, is := strings.CutPrefix(name, poolOperation); is {
		pool, what, _ := strings.Cut(pool, ":")
		if what != "wait" && what != "use" {
			k.add(path, "", "an operation of a pool is %sNAME:wait or %sNAME:use", poolOperation, poolOperation)
		} else {
			refers(k, path, pool, "pools", k.c.Pools)
		}
		return
	}
	known := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
	if slices.ContainsFunc(otherOperations, known) || strings.HasPrefix(name, reservedPrefix) {
		return
	}
	if _, is := k.c.Guards[name]; name != "" && !is {
		names := make([]string, 0, len(k.c.Guards))
		for guard := range k.c.Guards {
			names = append(names, guard)
		}
		k.add(path, "", "there is no guard %q%s; an operation is the name of a guard, pool:NAME:wait, pool:NAME:use, route:MATCH or op:NAME", name, suggest.For(name, names))
	}
}
