// Package adminapi is the administration API of a running daemon: its wire
// structs, the handler that serves them and the client that the CLI uses.
//
// The wire structs are a contract of their own, apart from the Go API: names in
// snake_case, every field always present, durations as numbers whose names end
// in "_seconds". Golden files in testdata bind them.
//
// # Protection
//
// The API can open breakers and replace the configuration, so it is closed by
// default. Without tokens or client certificates it is served on loopback
// addresses only; a request must name a host that the server knows (against DNS
// rebinding); methods other than GET must carry application/json and come from
// the same origin (against cross-site requests).
package adminapi
