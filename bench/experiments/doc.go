// Package experiments measures what guards do to a service under overload, in virtual
// time: a seeded run gives the same figures on every machine. It has tests alone. By
// default they are short and check the outcome; with -write they are long, and write the
// data, the pictures and the tables of docs/experiments.md (make experiments).
package experiments
