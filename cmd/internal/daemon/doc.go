// Package daemon is the long-running form of the layer: the parts of one
// configuration file, the gateway in front of upstreams, the admin API and the
// probes.
//
// [New] wires everything and opens the listeners, and undoes all of it if one
// step fails; [Daemon.Start] serves; [Daemon.Reload] takes over a changed file;
// [Daemon.Stop] drains. [Run] is all of that until a context ends.
//
// # Reload
//
// Everything that can fail happens before anything that runs is touched: the
// file is read and checked, routes are built, the layer plans. A faulty file
// changes nothing. Parts whose names stay keep their state. What is opened at
// the start stays as it was: the addresses and TLS files of listeners, and a
// file that changes them is refused by name.
//
// # Stop
//
// Readiness goes off first. For drain.delay requests are still accepted, with
// the advice to close the connection, so that load balancers notice. Then the
// gateway stops accepting and waits up to drain.timeout for requests in flight;
// upgraded connections are closed at the end of it. The admin API and the
// probes stop last, so that a stop can be watched.
package daemon
