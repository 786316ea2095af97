package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/cli"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// pair writes a certificate that vouches for itself and its key.
func pair(t *testing.T) (cert, key string, parsed tls.Certificate) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: raw}, key: {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if parsed, err = tls.LoadX509KeyPair(cert, key); err != nil {
		t.Fatal(err)
	}
	return cert, key, parsed
}

func TestADaemonThatDemandsCertificates(t *testing.T) {
	ca, _, server := pair(t)
	cert, key, client := pair(t)
	clients := x509.NewCertPool()
	clients.AddCert(client.Leaf)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(canned()) }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	addr := s.Listener.Addr().String()
	files := []string{"--ca-file", ca, "--cert-file", cert, "--key-file", key}
	for _, c := range []struct {
		name string
		env  map[string]string
		args []string
		code int
		says string
	}{
		{"by flags", nil, files, cli.ExitOK, ""},
		{"by the environment", map[string]string{"FOUNDATION_CA_FILE": ca, "FOUNDATION_CERT_FILE": cert, "FOUNDATION_KEY_FILE": key}, nil, cli.ExitOK, ""},
		{"flags over a pair of the environment", map[string]string{"FOUNDATION_CERT_FILE": "/gone", "FOUNDATION_KEY_FILE": "/gone"}, files, cli.ExitOK, ""},
		{"without a certificate", nil, files[:2], cli.ExitUnreachable, "--cert-file"},
		{"an unknown authority", nil, files[2:], cli.ExitUnreachable, "--ca-file"},
		{"without TLS", nil, nil, cli.ExitUnreachable, "https://"},
		{"half a pair", nil, files[:4], cli.ExitUsage, "belong together"},
		{"no such file", nil, []string{"--ca-file", "/gone"}, cli.ExitUsage, "/gone"},
		{"no authority in it", nil, []string{"--ca-file", key}, cli.ExitUsage, "no certificate"},
	} {
		got := run(t, c.env, append([]string{"status", "-o", "json", "--addr", addr}, c.args...)...)
		var status adminapi.Status
		if got.code != c.code || !strings.Contains(got.err, c.says) {
			t.Errorf("%s: exit code %d, %s", c.name, got.code, got.err)
		}
		if c.code == cli.ExitOK && (json.Unmarshal([]byte(got.out), &status) != nil || status.Build == "") {
			t.Errorf("%s: %s", c.name, got.out)
		}
		if health := run(t, c.env, append([]string{"healthcheck", "--addr", addr}, c.args...)...); health.code == 0 != (c.code == 0) {
			t.Errorf("%s: healthcheck: %d %s", c.name, health.code, health.err)
		}
	}
}
