// Package protect puts a guard around the calls of net/http and around plain
// functions, with one line each.
//
// # Usage
//
//	client := &http.Client{Transport: protect.Transport(nil, payments)}            // outgoing requests
//	mux.Handle("POST /pay", protect.Handler(pay, checkout, protect.KeyByRemoteIP())) // incoming requests
//	charge := protect.Func(payments, chargeCard)                                   // any function
//
// Each has a twin whose name begins with Instrument: it measures in the same way and
// never refuses. For database/sql see package sqlguard; for gRPC and pgx see the
// adapters module.
//
// # What counts as failure
//
// [StatusOutcome] says it for statuses: 5xx is a failure, 429 says nothing about
// health, everything else is a success. A client that leaves is neutral; so is
// every refusal of a guard further in.
//
// # Time
//
// A guard's timeout bounds the time to the response header, on both sides:
// bodies, streams and upgraded connections take as long as they take.
//
// # Concurrency
//
// Everything is safe for concurrent use.
package protect
