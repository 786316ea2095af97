// Package broken serves for tests in the ways in which upstreams fail, with the errors
// that the kernel and a release of Go really hand out.
package broken

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// Listen returns a listener on the loopback address.
func Listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// Closed is a port where nobody listens.
func Closed(t *testing.T) string {
	t.Helper()
	ln := Listen(t)
	_ = ln.Close()
	return "http://" + ln.Addr().String()
}

// Talk serves one connection after the other: it reads the beginning of a request, does
// what end does, and closes it.
func Talk(end func(*net.TCPConn)) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		ln := Listen(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				_, _ = bufio.NewReader(conn).ReadByte()
				end(conn.(*net.TCPConn)) //nolint:errcheck,forcetypeassert // it listens on TCP
				_ = conn.Close()
			}
		}()
		t.Cleanup(func() { _ = ln.Close(); <-done })
		return "http://" + ln.Addr().String()
	}
}

// AndWaits at the end of what [Says] says keeps the connection open.
const AndWaits = "\x00waits"

// Says answers with text, ends what it sends, and closes when the client has gone.
func Says(text string) func(*testing.T) string {
	text, waits := strings.CutSuffix(text, AndWaits)
	return Talk(func(c *net.TCPConn) {
		_, _ = io.WriteString(c, text)
		if !waits {
			_ = c.CloseWrite()
		}
		_, _ = io.Copy(io.Discard, c)
	})
}

// Silent takes requests and answers none.
func Silent(t *testing.T) string {
	t.Helper()
	return Talk(func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })(t)
}

// Nameless dials by a resolver of its own, which knows no name.
func Nameless(ctx context.Context, network, address string) (net.Conn, error) {
	server, err := new(net.ListenConfig).ListenPacket(ctx, "udp", "127.0.0.1:0")
	if err != nil {
		return nil, err //nolint:wrapcheck // a test
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			buf[2], buf[3] = 0x81, 0x83 // an answer: no such name
			_, _ = server.WriteTo(buf[:n], from)
		}
	}()
	defer func() { _ = server.Close(); <-done }()
	d := net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}}
	return d.DialContext(ctx, network, address) //nolint:wrapcheck // it is what is tested
}

// TLS serves with a certificate for one address that ends after left from now.
func TLS(left time.Duration, address string, change func(*tls.Config)) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		c := &tls.Config{Certificates: []tls.Certificate{certificate(t, left, address)}, MinVersion: tls.VersionTLS12}
		if change != nil {
			change(c)
		}
		ln := Listen(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				_ = tls.Server(conn, c).HandshakeContext(t.Context())
				_ = conn.Close()
			}
		}()
		t.Cleanup(func() { _ = ln.Close(); <-done })
		return "https://" + ln.Addr().String()
	}
}

// Authority signs the certificates of [TLS].
var Authority, authorityKey = newAuthority()

func newAuthority() (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	c, err = x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return c, key
}

// certificate is for one address and has ended left from now on.
func certificate(t *testing.T, left time.Duration, address string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "upstream"}, IPAddresses: []net.IP{net.ParseIP(address)},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(left), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, Authority, &key.PublicKey, authorityKey)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Secure is the same server, asked for over TLS.
func Secure(url func(*testing.T) string) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		return "https" + url(t)[len("http"):]
	}
}
