package settings

import (
	"slices"

	"github.com/elixirscope/foundation/config"
)

// Admin sets up the admin API of the daemon.
type Admin struct {
	// Listen is the address of the admin API, or "off"; default 127.0.0.1:9181. An address that others can reach is refused without tokens or a client_ca_file.
	Listen string `yaml:"listen"`
	// TLS makes the admin API serve HTTPS; with client_ca_file only clients with a certificate get in.
	TLS *TLS `yaml:"tls"`
	// Tokens are what callers show as "Authorization: Bearer …"; default none, which leaves the API to whoever can reach it.
	Tokens []Token `yaml:"tokens"`
	// AllowedHosts are further Host headers that are answered, beside localhost and the address itself.
	AllowedHosts []string `yaml:"allowed_hosts"`
}

// Token lets a caller of the admin API in.
type Token struct {
	// Name says whose it is; it stands in the record of what was changed.
	Name string `yaml:"name"`
	// Token is the secret itself, at least 16 characters; write it as ${VARIABLE} or ${file:/path}.
	Token config.Secret `yaml:"token" config:"secret"`
	// Role is read, which may look, or write, which may also change; default read.
	Role string `yaml:"role"`
}

// The roles of tokens.
const (
	RoleRead  = "read"
	RoleWrite = "write"
)

// Probes sets up a listener of its own for probes and metrics.
type Probes struct {
	// Listen is the address that answers GET /livez /readyz /startupz /metrics and nothing else; default none.
	Listen string `yaml:"listen"`
}

// The defaults of the admin API.
const (
	DefaultAdminListen = "127.0.0.1:9181"
	// ListenOff as an address means that there is no listener.
	ListenOff = "off"
)

// WithDefaults returns a with its defaults filled in.
func (a Admin) WithDefaults() Admin {
	a.Tokens = slices.Clone(a.Tokens)
	setDefault(&a.Listen, DefaultAdminListen)
	for i := range a.Tokens {
		setDefault(&a.Tokens[i].Role, RoleRead)
	}
	return a
}
