// Package storetest holds every implementation of [eventstore.Store] to one meaning.
//
// # Usage
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Harness {
//			dir := t.TempDir()
//			return storetest.Harness{Open: func(t *testing.T) eventstore.Store { … }, Durable: true}
//		})
//	}
//
// The suite asks nothing of a store but what the contract says: order and cursor,
// batches that are stored whole or not at all, every fault of a batch in one answer,
// pages, inclusive ranges, retention, appends from many goroutines, and random
// histories against a plain model, which are shrunk when they fail.
package storetest
