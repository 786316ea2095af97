// Package cli is the command line of the foundation binary: it starts the
// daemon and talks to a running one through its admin API.
//
// Results go to stdout, everything else to stderr. An error says what happened,
// where, and what to do. The exit codes are [ExitOK], [ExitFailure],
// [ExitUsage] and [ExitUnreachable].
package cli
