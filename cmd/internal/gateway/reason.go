package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// reasonOf says for an operator why an upstream failed: the text of err, or what is behind
// an error of TLS, whose own texts do not say what to do.
func reasonOf(err error) string {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired && invalid.Cert != nil {
		return validity(invalid.Cert, time.Now())
	}
	if name, ok := errors.AsType[x509.HostnameError](err); ok && name.Certificate != nil {
		return fmt.Sprintf("tls: the certificate is for %s and not for %s; if it is the right one, set tls.server_name", namesOf(name.Certificate), name.Host)
	}
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err); ok && unknown.Cert != nil {
		return fmt.Sprintf("tls: the certificate of %s is signed by an unknown authority, %s; if it is to be trusted, name it in tls.ca_file",
			namesOf(unknown.Cert), quoted(unknown.Cert.Issuer.String()))
	}
	if _, plain := errors.AsType[tls.RecordHeaderError](err); plain || errors.Is(err, http.ErrSchemeMismatch) {
		return "tls: the upstream answers without TLS; if it has none, write http:// (" + err.Error() + ")"
	}
	return err.Error()
}

// validity says since when, or until when, a certificate is not valid at now.
func validity(c *x509.Certificate, now time.Time) string {
	if now.Before(c.NotBefore) {
		return fmt.Sprintf("tls: the certificate of %s is not valid before %s", namesOf(c), c.NotBefore.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("tls: the certificate of %s has expired: it was valid until %s", namesOf(c), c.NotAfter.UTC().Format(time.RFC3339))
}

// namesOf lists the first names of a certificate.
func namesOf(c *x509.Certificate) string {
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		names = append(names, c.Subject.String())
	}
	const most = 3
	if n := len(names) - most; n > 0 {
		names = append(names[:most], fmt.Sprintf("%d more", n))
	}
	return quoted(strings.Join(names, ", "))
}

// quoted keeps what a certificate says from looking like our own words.
func quoted(text string) string { return fmt.Sprintf("%q", text) }
