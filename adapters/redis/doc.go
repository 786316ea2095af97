// Package redis keeps the counters of rate limits in Redis or Valkey, so that several
// processes share them: [Store] implements [shared.Store], and with it [shared.Fleet]
// and [shared.Inspector].
//
// # Usage
//
//	store, err := redis.Open("redis://127.0.0.1:6379", redis.Options{Namespace: "production"})
//
// or [New] with a client of the program's own: a single server, one watched by Sentinel,
// or a cluster. Import the package as redisstore where go-redis is used beside it.
//
// # What it promises
//
// All algorithms decide as the local limiter does, in exact integers and by the server's
// clock, in one script that runs for all concurrent calls of the process at once: the
// first call goes at once, those that come while it is under way go together next.
// Nothing waits for a batch to fill. A take is never sent again once it may have been
// executed.
//
// # What it keeps
//
// One key for each counter: the namespace, a hash tag of 32, and 128 bits of the SHA-256
// of the rule's name and the key. No key of the program's own can be read from it. Keys
// expire by themselves, a second after they are as if never used and no refund can name
// them any more. A bucket takes 40 bytes beside its key and what Redis adds, a window 38,
// a log 26 and 12 for each call.
package redis
