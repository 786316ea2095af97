package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync/atomic"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/internal/localfile"
)

// certificates serves a certificate from files and takes over changed ones
// without closing the listener.
type certificates struct {
	files   settings.TLS
	current atomic.Pointer[tls.Config]
}

// newCertificates reads the files; nil files mean no TLS.
func newCertificates(ctx context.Context, files *settings.TLS) (*certificates, error) {
	if files == nil {
		return nil, nil //nolint:nilnil // no TLS is not an error
	}
	c := &certificates{files: *files}
	next, err := c.read(ctx)
	if err != nil {
		return nil, err
	}
	c.current.Store(next)
	return c, nil
}

// read reads the files and changes nothing.
func (c *certificates) read(ctx context.Context) (*tls.Config, error) {
	pair, err := keyPair(ctx, c.files.CertFile, c.files.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificate %s and its key: %w", c.files.CertFile, err)
	}
	next := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if c.files.ClientCAFile != "" {
		if next.ClientCAs, err = clientCAs(ctx, c.files.ClientCAFile); err != nil {
			return nil, err
		}
		next.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return next, nil
}

func keyPair(ctx context.Context, certFile, keyFile string) (pair tls.Certificate, err error) {
	cert, err := localfile.Read(ctx, certFile, localfile.MaxSecret)
	if err != nil {
		return pair, err
	}
	key, err := localfile.Read(ctx, keyFile, localfile.MaxSecret)
	if err != nil {
		return pair, err
	}
	return tls.X509KeyPair(cert, key)
}

func clientCAs(ctx context.Context, file string) (*x509.CertPool, error) {
	pem, err := localfile.Read(ctx, file, localfile.MaxSecret)
	if err != nil {
		return nil, fmt.Errorf("read the authorities of clients: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// server returns the settings of a listener that always serves the newest.
func (c *certificates) server() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		NextProtos:         []string{"h2", "http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current.Load(), nil },
	}
}

// paths lists the files to watch.
func (c *certificates) paths() []string {
	if c == nil {
		return nil
	}
	paths := []string{c.files.CertFile, c.files.KeyFile}
	if c.files.ClientCAFile != "" {
		paths = append(paths, c.files.ClientCAFile)
	}
	return paths
}
