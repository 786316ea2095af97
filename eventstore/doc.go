// Package eventstore is the contract for a record of what happened: events that
// are appended, found again in the order in which they were stored, followed while
// they arrive, and removed when they are old.
//
// # Usage
//
//	store, err := eventstore.NewMemory(eventstore.MemoryOptions{})
//	stored, err := store.Append(ctx, eventstore.Event{Type: "deploy.started", Name: "shop"})
//	page, err := store.Find(ctx, eventstore.Query{Type: "deploy.*", Order: eventstore.Descending})
//
// [NewMemory] keeps events in the memory of the process and loses them with it;
// adapters/sqlite keeps them on disk. A store of your own implements [Store], begins
// Append with [Prepare] and is held to the contract by package storetest.
//
// # Order
//
// A store numbers events in the order in which it commits them ([Event.Seq]). A
// reader that continues after the last number that it saw misses nothing: no event
// appears later with a lower one. Times are what the events say, and may be out of
// order. [Feed] turns a store into one whose new events can be followed.
package eventstore
