// Package admin serves the administration API of a layer over HTTP: what is wrong and why,
// every part with its numbers, events, health, the configuration and its history. The
// daemon serves it, and so can any program that uses the library: [New] returns an
// [http.Handler]. docs/admin-api.md describes the requests and answers.
//
// # Protection
//
// The API can open breakers and replace the configuration, so it is closed by
// default. Without tokens or client certificates it is served on loopback
// addresses only; a request must name a host that the server knows (against DNS
// rebinding); methods other than GET must carry application/json and come from
// the same origin (against cross-site requests).
package admin
