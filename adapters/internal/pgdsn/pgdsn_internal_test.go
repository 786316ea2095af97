package pgdsn

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// poison sets everything that libpq, and so pgx, looks at beside the DSN.
func poison(t testing.TB) {
	t.Helper()
	home := t.TempDir()
	for name, text := range map[string]string{
		".pgpass": "*:*:*:*:poison", ".pg_service.conf": "[poison]\npassword=poison\nhost=poison\n", ".postgresql/root.crt": "poison",
		".postgresql/postgresql.crt": "poison", ".postgresql/postgresql.key": "poison",
	} {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", home)
	for _, name := range []string{
		"HOST", "DATABASE", "USER", "PASSWORD", "APPNAME", "SSLPASSWORD", "TZ", "OPTIONS",
	} {
		t.Setenv("PG"+name, "poison")
	}
	t.Setenv("PGPASSFILE", filepath.Join(home, ".pgpass"))
	t.Setenv("PGSERVICEFILE", filepath.Join(home, ".pg_service.conf"))
}

// spoil sets what else pgx looks at to what it refuses, so that reading it is an error.
func spoil(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"PORT", "CONNECT_TIMEOUT", "SSLMODE", "SSLCERTMODE", "SSLKEY", "SSLCERT", "SSLROOTCERT", "SSLSNI", "SSLNEGOTIATION",
		"TARGETSESSIONATTRS", "MINPROTOCOLVERSION", "MAXPROTOCOLVERSION", "CHANNELBINDING", "REQUIREAUTH",
	} {
		t.Setenv("PG"+name, "poison")
	}
}

// overheard is what a client sends to a server that demands its password in clear.
func overheard(t *testing.T, ln net.Listener) <-chan string {
	t.Helper()
	heard := make(chan string, 1)
	go func() {
		var all strings.Builder
		defer func() { heard <- all.String() }()
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		all.WriteString(message(conn, false)) // the start of the session
		_, _ = conn.Write([]byte("R\x00\x00\x00\x08\x00\x00\x00\x03"))
		all.WriteString(message(conn, true))
	}()
	return heard
}

func message(conn net.Conn, typed bool) string {
	header := make([]byte, 4)
	if typed {
		header = make([]byte, 5)
	}
	if _, err := io.ReadFull(conn, header); err != nil {
		return ""
	}
	body := make([]byte, binary.BigEndian.Uint32(header[len(header)-4:])-4)
	_, _ = io.ReadFull(conn, body)
	return string(header) + string(body)
}

// PGPASSWORD was sent in clear to the server that a configuration named.
func TestNothingOfTheEnvironmentIsSent(t *testing.T) {
	poison(t)
	spoil(t)
	for _, form := range []string{"postgres://me@%/db?sslmode=disable", "postgresql://me@%?sslmode=disable&", "host=127.0.0.1 port=# user=me sslmode=disable"} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		heard := overheard(t, ln)
		_, port, _ := net.SplitHostPort(ln.Addr().String())
		config, err := Parse(strings.NewReplacer("%", ln.Addr().String(), "#", port).Replace(form))
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		if c, err := pgx.ConnectConfig(t.Context(), config); err == nil {
			_ = c.Close(t.Context())
			t.Error("connected")
		}
		if got := <-heard; !strings.Contains(got, "user\x00me\x00") || strings.Contains(got, "poison") || !strings.Contains(got, "p\x00\x00\x00\x05\x00") {
			t.Errorf("%s: the server heard %q", form, got)
		}
		_ = ln.Close()
	}
}

// What pgx reads from a whole DSN is the same, with our completion and in whatever
// environment.
func TestADSNMeansTheSameWhateverStandsAroundIt(t *testing.T) {
	dsns := []string{
		"postgres://u:p@h/d", "postgres://u@h:7/d", "postgres://u@h", "postgres://u@/d", "postgres://u@h1,h2:7/d", "postgres://u@h1:5,h2:6/d?target_session_attrs=primary",
		"postgres://u@[::1]/d", "postgres://u@[::1]:7/d", "postgres://u:p%40ss@h/d?", "postgres:///d?user=u&host=h&port=9&password=q", "postgres://u@:7/d",
		"postgres://u@h/d?ssl=true", "postgres://u@h/d?sslmode=disable&application_name=a&search_path=s&", "postgres://u@h/d?options=-c%20x%3D1&connect_timeout=3",
		"postgres://u@h/?dbname=d", "user=u host=h", "user=u host='/tmp' password='it''", "user=u host=h password='a b\\'c' dbname=d", "host = h user = u\tport=7",
		"user=u host=h1,h2 port=5,6 sslmode=verify-full timezone=UTC", "user=u password=a\\ b host=h default_query_exec_mode=exec",
	}
	t.Setenv("HOME", t.TempDir())
	plain := map[string]*pgx.ConnConfig{}
	for _, dsn := range dsns {
		plain[dsn], _ = pgx.ParseConfig(dsn) // in an environment that says nothing
	}
	poison(t)
	spoil(t)
	for _, dsn := range dsns {
		got, err := Parse(dsn)
		if want := plain[dsn]; want == nil {
			if err == nil {
				t.Errorf("%s: was taken", dsn)
			}
		} else if err != nil || describe(got) != describe(want) {
			t.Errorf("%s: %v\n got %s\nwant %s", dsn, err, describe(got), describe(want))
		}
	}
}

func describe(c *pgx.ConnConfig) string {
	if c == nil {
		return "nothing"
	}
	var b strings.Builder
	b.WriteString(strings.Join([]string{
		c.Host, strconv.Itoa(int(c.Port)), c.User, c.Password, c.Database, c.ConnectTimeout.String(), c.SSLNegotiation, c.SSLCertMode,
		c.MinProtocolVersion, c.MaxProtocolVersion, c.ChannelBinding, c.RequireAuth, c.DefaultQueryExecMode.String(), strconv.FormatBool(c.ValidateConnect != nil),
	}, "|"))
	for _, key := range []string{"application_name", "timezone", "options", "search_path"} {
		b.WriteString("|" + key + "=" + c.RuntimeParams[key])
	}
	b.WriteString("|" + strconv.Itoa(len(c.RuntimeParams)))
	tls := func(host string, port uint16, name string) {
		b.WriteString("|" + host + ":" + strconv.Itoa(int(port)) + " " + name)
	}
	if c.TLSConfig != nil {
		tls(c.Host, c.Port, c.TLSConfig.ServerName)
	}
	for _, f := range c.Fallbacks {
		name := "-"
		if f.TLSConfig != nil {
			name = f.TLSConfig.ServerName
		}
		tls(f.Host, f.Port, name)
	}
	return b.String()
}

func TestADSNThatReachesFurtherIsRefused(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "none")
	for dsn, want := range map[string]string{
		"postgres://h/d":                               "names no user",
		"host=h":                                       "names no user",
		"postgres:// @h/d":                             "names no user",
		"postgres://u@h/d?passfile=/etc/passwd":        "must not name a passfile",
		"postgres://u@h/d?p%61ssfile=/etc/passwd":      "must not name a passfile",
		"host=h user=u service='x'":                    "must not name a service",
		"host=h user=u servicefile = /x":               "must not name a servicefile",
		"postgres://u@h/d?sslrootcert=/dev/zero":       "sslrootcert: read /dev/zero: not a regular file",
		"host=h user=u sslcert=/dev/zero sslkey=/x":    "sslcert: read /dev/zero: not a regular file",
		"host=h user=u sslkey='" + fifo + "' sslcert=": "sslkey: stat",
		"host=h user='u":                               "is neither",
		"postgres://u@h/d?%zz=1":                       "is neither",
	} {
		if _, err := Parse(dsn); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", dsn, err)
		}
	}
	t.Setenv("PGSERVICE", "poison")
	if _, err := Parse("postgres://u@h/d"); err == nil || !strings.Contains(err.Error(), "PGSERVICE") {
		t.Errorf("PGSERVICE: %v", err)
	}
}
