package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/elixirscope/foundation/config"
)

// The limits of connections to upstreams. The idle ones are kept generously:
// the default of net/http, 2 per host, makes a proxy under load dial for almost
// every request.
const (
	dialTimeout         = 5 * time.Second
	keepAlive           = 30 * time.Second
	tlsHandshakeTimeout = 5 * time.Second
	idleConnTimeout     = 60 * time.Second
	maxIdlePerHost      = 1024
	maxResponseHeader   = 1 << 20
	// A usual answer then comes in with one read, and in one piece, which spares a
	// write as well. The 4 KiB of net/http cost 6 % at answers of 10 KiB.
	connBuffer = bufferSize
)

// upstreamURL reads the address of an upstream. The scheme h2c means HTTP/2
// without TLS.
func upstreamURL(text string) (target *url.URL, h2c bool, err error) {
	target, err = url.Parse(text)
	if err != nil {
		return nil, false, fmt.Errorf("is no URL: %w", errors.Unwrap(err))
	}
	switch target.Scheme {
	case "http", "https":
	case "h2c":
		h2c = true
		target.Scheme = "http"
	default:
		return nil, false, errors.New(`is no URL of an upstream: write http://HOST:PORT, https://… or h2c://…`)
	}
	if target.Hostname() == "" {
		return nil, false, errors.New("names no host: write http://HOST:PORT")
	}
	if target.RawQuery != "" || target.Fragment != "" || target.User != nil {
		return nil, false, errors.New("must not have a query, a fragment or a user")
	}
	return target, h2c, nil
}

// clientTLS says how an upstream proves who it is, and how the gateway does.
func clientTLS(c config.UpstreamTLS) (*tls.Config, error) {
	security := &tls.Config{ServerName: c.ServerName, MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pool, err := certPool(c.CAFile)
		if err != nil {
			return nil, err
		}
		security.RootCAs = pool
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the client certificate: %w", err)
		}
		security.Certificates = []tls.Certificate{pair}
	}
	return security, nil
}

func certPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// newTransport returns the connections to one upstream. Compression stays
// between client and upstream, and no proxy of the environment is asked: the
// upstream is what the configuration says.
func newTransport(h2c bool, security *tls.Config) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	t := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        security,
		TLSHandshakeTimeout:    tlsHandshakeTimeout,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        idleConnTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
		ReadBufferSize:         connBuffer,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
	}
	if h2c {
		t.Protocols = new(http.Protocols)
		t.Protocols.SetUnencryptedHTTP2(true)
	}
	return t
}
