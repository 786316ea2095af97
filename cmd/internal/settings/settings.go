// Package settings holds the sections of the configuration that are the daemon's
// own: admin, probes and gateway.
package settings

import (
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
)

// The names of the sections.
const (
	AdminSection   = "admin"
	ProbesSection  = "probes"
	GatewaySection = "gateway"
)

// Sections returns the daemon's sections for a [config.Registry]. They are read and
// checked; what a change of them does is for a daemon to add as their Prepare.
func Sections() []config.Section {
	return []config.Section{
		{
			Name: AdminSection, Doc: "The admin API of the daemon.", Local: true, New: func() any { return new(Admin) }, Describe: describe, Restart: []string{"listen", "tls"},
			Check: func(c *config.Config) fault.Problems { return check(c, func(k *checker) { k.admin(); k.shared() }) },
		},
		{
			Name: ProbesSection, Doc: "A listener for probes and metrics alone.", Local: true, New: func() any { return new(Probes) }, Describe: describe, Restart: []string{""},
			Check: func(c *config.Config) fault.Problems { return check(c, (*checker).listeners) },
		},
		{
			Name: GatewaySection, Doc: "The reverse proxy of the daemon.", New: func() any { return new(Gateway) }, Describe: describe,
			Restart: []string{"listen", "tls", "limits.max_header", "limits.read_header_timeout", "limits.idle_timeout", "limits.max_connections"},
			Check: func(c *config.Config) fault.Problems {
				g := GatewayOf(c)
				if g == nil {
					return check(c, func(k *checker) { k.operations(nil) })
				}
				return check(c, func(k *checker) { k.gateway(g); k.operations(g) })
			},
		},
	}
}

// AdminOf returns the settings of the admin API in c, with defaults filled in.
func AdminOf(c *config.Config) Admin {
	a := config.SectionOf[Admin](c, AdminSection)
	if a == nil {
		a = &Admin{}
	}
	return a.WithDefaults()
}

// ProbesOf returns the settings of the listener for probes in c.
func ProbesOf(c *config.Config) Probes {
	p := config.SectionOf[Probes](c, ProbesSection)
	if p == nil {
		p = &Probes{}
	}
	return *p
}

// GatewayOf returns the settings of the gateway in c as they were given, or nil
// where there is none.
func GatewayOf(c *config.Config) *Gateway { return config.SectionOf[Gateway](c, GatewaySection) }
