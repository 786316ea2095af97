package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// connection says where the daemon's admin API is and how both sides prove who
// they are. Each flag has an environment variable for where it is not given.
type connection struct{ addr, ca, cert, key string }

func (c *connection) register(flags *pflag.FlagSet) {
	flags.StringVar(&c.addr, "addr", "", "address of the daemon's admin API (default "+settings.DefaultAdminListen+", or $"+envAddr+")")
	flags.StringVar(&c.ca, "ca-file", "", "authorities that the daemon's certificate may come from, PEM; implies https (default the system's, or $"+envCA+")")
	flags.StringVar(&c.cert, "cert-file", "", "certificate to show to the daemon, PEM; implies https (or $"+envCert+")")
	flags.StringVar(&c.key, "key-file", "", "private key of that certificate, PEM (or $"+envKey+")")
}

// withEnv fills in from the environment what the flags left open. A certificate
// and its key come from one place: half of each would be a pair of nothing.
func (c connection) withEnv(getenv func(string) string) connection {
	if c.addr == "" {
		c.addr = getenv(envAddr)
	}
	if c.ca == "" {
		c.ca = getenv(envCA)
	}
	if c.cert == "" && c.key == "" {
		c.cert, c.key = getenv(envCert), getenv(envKey)
	}
	if c.addr == "" {
		c.addr = settings.DefaultAdminListen
	}
	if (c.ca != "" || c.cert != "") && !strings.Contains(c.addr, "://") {
		c.addr = "https://" + c.addr
	}
	return c
}

// security reads the files; nil means that none are named.
func (c connection) security() (*tls.Config, error) {
	if (c.cert == "") != (c.key == "") {
		return nil, errors.New("--cert-file and --key-file belong together")
	}
	if c.ca == "" && c.cert == "" {
		return nil, nil //nolint:nilnil // nothing to say is not an error
	}
	security := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.ca != "" {
		pem, err := os.ReadFile(c.ca)
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		security.RootCAs = x509.NewCertPool()
		if !security.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca-file: %s holds no certificate in PEM form", c.ca)
		}
	}
	if c.cert != "" {
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			return nil, fmt.Errorf("--cert-file and --key-file: %w", err)
		}
		security.Certificates = []tls.Certificate{pair}
	}
	return security, nil
}

// client returns the one client of this run.
func (a *app) client() (*adminapi.Client, error) {
	if a.api != nil {
		return a.api, nil
	}
	where := a.where.withEnv(a.env.getenv)
	security, err := where.security()
	if err != nil {
		return nil, usage(err, "")
	}
	client := &adminapi.Client{Address: where.addr, Token: a.env.getenv(envToken)}
	if security != nil {
		client.HTTP = &http.Client{Transport: &http.Transport{TLSClientConfig: security, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}}
	}
	a.api = client
	return client, nil
}

// disconnect closes what the client of this run keeps open.
func (a *app) disconnect() {
	if a.api != nil && a.api.HTTP != nil {
		a.api.HTTP.CloseIdleConnections()
	}
}

// distrusted tells what to do about a handshake that failed, "" for other errors.
func distrusted(err error) string {
	if _, ours := errors.AsType[*tls.CertificateVerificationError](err); ours {
		return "name the authority of the daemon's certificate with --ca-file or $" + envCA + ", and the daemon by a name in it with --addr"
	}
	if _, theirs := errors.AsType[tls.AlertError](err); theirs || strings.Contains(err.Error(), "tls: certificate required") {
		return "show a certificate that the daemon trusts with --cert-file and --key-file, or $" + envCert + " and $" + envKey
	}
	return ""
}
