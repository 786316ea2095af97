// Package registry finds what runs in a process by its name.
//
// A [Registry] maps names to values. Names live in namespaces, so that tests and
// tenants do not meet: the same name may stand in each. A name belongs to its
// owner, a context: when the owner ends, the name is free, whatever else happens.
// [Lookup] finds a value by its type, and [WaitFor] waits until there is one,
// without polling.
//
// Package foundation registers all that it opens, by the sections of the
// configuration: a breaker is found with
//
//	registry.Lookup[*breaker.Breaker](fnd.Registry(), "breakers", "payments")
//
// The registry is no cache and no service discovery: it knows its own process
// alone.
package registry
