package settings

import redisstore "github.com/elixirscope/foundation/adapters/redis"

// shared checks the URL of the store of shared counters, which the layer itself cannot read.
func (k *checker) shared() {
	if s := k.c.Shared; s != nil && s.Redis != "" {
		k.part("shared", redisstore.Check(string(s.Redis)))
	}
}
