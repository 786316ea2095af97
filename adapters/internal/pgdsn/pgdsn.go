// Package pgdsn reads connection strings of PostgreSQL so that they alone count.
package pgdsn

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/elixirscope/foundation/internal/localfile"
)

// nobody stands for the user of a DSN that names none: pgx would take one from the
// environment, or that of the process. A DSN cannot hold it.
const nobody = "\x01"

// own are the settings of a connection that pgx fills in where the DSN has none,
// from PG* variables or from files below the home directory. Each is given the value
// here that pgx itself has for "not set", so that the DSN alone counts.
var own = []setting{
	{"host", ""},
	{"port", ""},
	{"user", nobody},
	{"password", ""},
	{"dbname", ""},
	{"application_name", ""},
	{"connect_timeout", "0"},
	{"sslmode", ""},
	{"sslkey", ""},
	{"sslcert", ""},
	{"sslcertmode", "allow"},
	{"sslsni", ""},
	{"sslrootcert", ""},
	{"sslpassword", ""},
	{"sslnegotiation", ""},
	{"target_session_attrs", "any"},
	{"timezone", ""},
	{"options", ""},
	{"min_protocol_version", ""},
	{"max_protocol_version", ""},
	{"channel_binding", ""},
	{"require_auth", ""},
	{"passfile", ""},
	{"servicefile", ""},
}

type setting struct{ key, value string }

// foreign are the settings that would take others from a file.
var foreign = []string{"service", "servicefile", "passfile"}

// files are the settings that name one.
var files = []string{"sslrootcert", "sslcert", "sslkey"}

// Parse returns how to connect as dsn says, and nothing but dsn: no variable of
// the environment, no password or service file and no account of the operating
// system has a part in it. No error holds the DSN.
func Parse(dsn string) (*pgx.ConnConfig, error) {
	if _, set := os.LookupEnv("PGSERVICE"); set { // the one that nothing in a DSN outweighs
		return nil, errors.New("is not used while the environment holds PGSERVICE, which would change it: unset that variable")
	}
	said, err := settingsOf(dsn)
	if err != nil {
		return nil, errMalformed
	}
	for _, key := range foreign {
		if said[key] != "" {
			return nil, fmt.Errorf("must not name a %s: what it would add belongs into the DSN", key)
		}
	}
	for _, key := range files {
		if path := said[key]; path != "" && !(key == "sslrootcert" && path == "system") {
			if _, err := localfile.Read(context.Background(), path, localfile.MaxSecret); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	config, err := pgx.ParseConfig(complete(dsn))
	switch {
	case err != nil:
		return nil, errMalformed
	case config.User == nobody, config.User == "":
		return nil, errors.New("names no user, and nothing else is asked for one: write postgres://USER@host/database")
	}
	for key, value := range config.RuntimeParams {
		if value == "" && slices.ContainsFunc(own, func(s setting) bool { return s.key == key }) {
			delete(config.RuntimeParams, key)
		}
	}
	return config, nil
}

var errMalformed = errors.New("is neither a PostgreSQL URL nor a list of key=value pairs, or has a setting that pgx does not take")

// complete gives dsn every setting that it does not have. All of them stand before
// what dsn says: in both forms the later of two counts, and a DSN may end in the
// middle of a setting. Only what a URL has in front of its query must not come again
// behind it.
func complete(dsn string) string {
	if !isURL(dsn) {
		words := make([]string, 0, len(own)+1)
		for _, s := range own {
			words = append(words, s.key+"='"+s.value+"'")
		}
		return strings.Join(append(words, dsn), " ")
	}
	u := splitURL(dsn)
	var query []string
	for _, s := range own {
		if !u.has(s.key) {
			query = append(query, s.key+"="+url.PathEscape(s.value))
		}
	}
	if rest := strings.TrimSuffix(u.query, "&"); rest != "" {
		query = append(query, rest)
	}
	return u.before + "?" + strings.Join(query, "&")
}

func isURL(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// urlParts are the parts of a URL as libpq, and so pgx, takes it apart: up to its
// query, and then by their meaning.
type urlParts struct{ before, user, password, hosts, path, query string }

func splitURL(dsn string) (u urlParts) {
	_, rest, _ := strings.Cut(dsn, "://")
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		u.user, u.password, _ = strings.Cut(rest[:i], ":")
		rest = rest[i+1:]
	}
	place, query, found := strings.Cut(rest, "?")
	u.before, u.query = dsn, query
	if found {
		u.before = dsn[:len(dsn)-len(query)-1]
	}
	u.hosts, u.path, _ = strings.Cut(place, "/")
	return u
}

// has reports whether the URL has a setting outside its query.
func (u urlParts) has(key string) bool {
	switch key {
	case "user":
		return u.user != ""
	case "password":
		return u.password != ""
	case "host":
		return u.hosts != "" && !strings.HasPrefix(u.hosts, ":")
	case "port":
		return strings.ContainsAny(u.hosts[strings.LastIndexByte(u.hosts, ']')+1:], ":,")
	case "dbname":
		return u.path != ""
	}
	return false
}

// settingsOf lists the settings that stand in dsn as key and value: all of the one
// form, the query of the other.
func settingsOf(dsn string) (map[string]string, error) {
	if !isURL(dsn) {
		return wordsOf(dsn)
	}
	said := make(map[string]string)
	for pair := range strings.SplitSeq(splitURL(dsn).query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		key, errKey := url.PathUnescape(strings.Trim(key, " "))
		value, errValue := url.PathUnescape(strings.Trim(value, " "))
		if err := errors.Join(errKey, errValue); err != nil {
			return nil, err
		}
		said[key] = value
	}
	return said, nil
}

const space = " \t\n\r\v\f"

var errUnterminated = errors.New("a quoted value does not end")

// wordsOf reads key=value pairs: a value may stand in single quotes, and a backslash
// takes the next character as it is.
func wordsOf(dsn string) (map[string]string, error) {
	said := make(map[string]string)
	for rest := strings.Trim(dsn, space); rest != ""; {
		key, after, _ := strings.Cut(rest, "=")
		value, next, err := word(strings.TrimLeft(after, space))
		if err != nil {
			return nil, err
		}
		said[strings.Trim(key, space)] = value
		rest = strings.TrimLeft(next, space)
	}
	return said, nil
}

// word takes one value off the beginning of text.
func word(text string) (value, rest string, err error) {
	ends := space
	quoted := strings.HasPrefix(text, "'")
	if quoted {
		text, ends = text[1:], "'"
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case strings.IndexByte(ends, text[i]) >= 0:
			return b.String(), text[i+1:], nil
		case text[i] == '\\' && i+1 < len(text):
			i++
		case text[i] == '\\':
			continue
		}
		b.WriteByte(text[i])
	}
	if quoted {
		return "", "", errUnterminated
	}
	return b.String(), "", nil
}
