// Package config is what can be set: the tree of settings, the YAML file that
// holds it, and the difference between two of them.
//
// # Usage
//
// [Load] reads a file, [Parse] its text. Both are strict and report every fault
// at once, each with file, line, column and an excerpt; [Render] writes them for
// people. A [Config] can as well be made in Go: fields at zero have their
// documented defaults, names refer to other parts as in the file, and
// [Config.Validate] checks the same. Either way it is given to
// foundation.Open, or applied to a running layer.
//
// A [Server] decides which configuration is in force: one change at a time, with
// revision numbers, edits, reloads of the file, and events. What the parts of a
// configuration are it leaves to an [Applier], which package foundation is. A
// [Section] is a part of the file that belongs to somebody else.
//
// # The file
//
// Every field has the name of its yaml tag. Durations and sizes need their unit:
// "3s", "64KiB". A written 0 is legal only where it has a meaning of its own.
// ${NAME}, ${NAME:-default} and ${file:/path} are filled in after parsing, so
// that what they hold can never change the structure of the file.
//
// # Secrets
//
// What came from a variable, and every [Secret], appears in no error, no String,
// no JSON and no YAML that this package writes. The text of the file itself,
// [Config.Source], keeps the variables as they were written.
//
// # Concurrency
//
// All functions are safe for concurrent use. A Config is plain data that is
// shared once it is in force: change a [Config.Clone].
package config
