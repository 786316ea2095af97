package pgdsn

import (
	"strings"
	"testing"
)

// Whatever a DSN holds, what pgx would read from elsewhere stays there.
func FuzzDSN(f *testing.F) {
	for _, dsn := range []string{
		"postgres://u@h/d", "postgres://u:p@h1,h2:5/d?sslmode=disable&", "postgres://?user=u", "postgresql://u@[::1]", "postgres://u@h?p%61ssword=&host=",
		"user=u", "user = u host='h\\'' password=", "user=u dbname", "user=u port='' =", "postgres://u@:5/?dbname=x&ssl=true", "user=u sslrootcert=system", "user=", "postgres:// @",
	} {
		f.Add(dsn)
	}
	poison(f)
	f.Fuzz(func(t *testing.T, dsn string) {
		c, err := Parse(dsn)
		if err != nil || strings.Contains(dsn, "poison") {
			return
		}
		if text := describe(c); strings.Contains(text, "poison") || c.User == nobody || c.User == "" {
			t.Errorf("%q: %s", dsn, text)
		}
	})
}
