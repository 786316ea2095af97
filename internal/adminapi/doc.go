// Package adminapi holds the wire structs of the administration API, which package admin
// serves, and the client that the command line uses.
//
// The wire structs are a contract of their own, apart from the Go API: names in
// snake_case, every field always present, durations as numbers whose names end
// in "_seconds". Golden files in testdata bind them.
package adminapi
