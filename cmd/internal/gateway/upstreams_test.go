package gateway_test

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/elixirscope/foundation/cmd/internal/settings"
)

// The ways in which an upstream may be spoken to.
const (
	overHTTP1     = "HTTP/1.1"
	overH2C       = "HTTP/2 without TLS"
	overTLS       = "HTTP/2 over TLS"
	overTLSHTTP2  = "HTTP/2 alone over TLS"
	overTLSStrict = "HTTP/2 alone over TLS, and no handshake for others"
)

// upstreamOver serves h and returns how a rig gets there.
func upstreamOver(t *testing.T, protocol string, h http.Handler) (url string, change func(*setup)) {
	t.Helper()
	up := httptest.NewUnstartedServer(h)
	up.Config.MaxHeaderBytes = 8 << 10
	up.Config.ErrorLog = log.New(io.Discard, "", 0)
	up.Config.Protocols = new(http.Protocols)
	up.Config.Protocols.SetHTTP1(protocol == overHTTP1 || protocol == overTLS)
	up.Config.Protocols.SetUnencryptedHTTP2(protocol == overH2C)
	up.Config.Protocols.SetHTTP2(protocol == overTLS || protocol == overTLSHTTP2 || protocol == overTLSStrict)
	t.Cleanup(up.Close)
	if protocol == overHTTP1 || protocol == overH2C {
		up.Start()
		return up.URL, func(s *setup) { s.route.H2C = protocol == overH2C }
	}
	up.EnableHTTP2 = true
	up.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	switch protocol {
	case overTLSHTTP2:
		up.TLS.NextProtos = []string{"h2"}
	case overTLSStrict:
		up.TLS.NextProtos = []string{"h2", "another"}
		up.TLS.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if hello.SupportedProtos[0] == "h2" {
				return nil, nil
			}
			strict := up.TLS.Clone()
			strict.NextProtos, strict.GetConfigForClient = []string{"another"}, nil
			return strict, nil
		}
	}
	up.StartTLS()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: up.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return up.URL, func(s *setup) { s.route.TLS = &settings.UpstreamTLS{CAFile: ca, ServerName: "example.com"} }
}
