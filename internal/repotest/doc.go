// Package repotest holds the rules of this repository that a machine can check:
// which package may import which, what a consumer's build inherits, and what
// every package, function and page owes its reader. It has tests only.
package repotest
