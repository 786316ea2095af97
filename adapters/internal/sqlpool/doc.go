// Package sqlpool holds the tests that drive the sql kind of worker with a real
// database, SQLite: the module of the kind itself requires no driver.
package sqlpool
