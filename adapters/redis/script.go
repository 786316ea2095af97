package redis

import (
	"context"
	_ "embed" // the script
	"encoding/binary"

	"github.com/redis/go-redis/v9"
)

//go:embed script.lua
var source string

// script is what the server runs; its comment says what goes in and out.
var script = redis.NewScript(source)

const (
	itemSize   = 26  // of a call in the script's second argument
	ruleSize   = 50  // of a rule in its first
	headSize   = 7   // of the server's time in its answer
	recordSize = 28  // of a call there
	textSize   = 256 // of the text of an error there, at most
)

// What a call asks for.
const (
	take byte = iota
	peek
	refund
	reset
)

// What became of a call.
const (
	refused byte = iota
	admitted
	failed
	foreign
)

// record is the script's answer about one call.
type record struct {
	state      byte
	generation int64
	lead       int64 // ticks by which the key's time is ahead of the server's
	a, b, c    int64
}

// putUint appends the low size bytes of v, the least significant first.
func putUint(to []byte, v int64, size int) []byte {
	var raw [8]byte
	binary.LittleEndian.PutUint64(raw[:], uint64(v))
	return append(to, raw[:size]...)
}

func getUint(from []byte, size int) int64 {
	var raw [8]byte
	copy(raw[:], from[:size])
	return int64(binary.LittleEndian.Uint64(raw[:]))
}

func readRecord(b []byte) record {
	return record{b[0], getUint(b[1:], 2), getUint(b[3:], 4), getUint(b[7:], 7), getUint(b[14:], 7), getUint(b[21:], 7)}
}

// run executes the script with args, of which the first two are left to it, and reads
// the answer into buf. Only a server that does not know the script yet, and so has not
// run it, is asked again.
func run(ctx context.Context, client redis.UniversalClient, args []any, buf []byte) ([]byte, error) {
	args[0], args[1] = "evalsha", script.Hash()
	cmd := redis.NewZeroCopyStringCmd(ctx, buf, args...) // whose kind is never sent twice by the client
	err := client.Process(ctx, cmd)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		args[0], args[1] = "eval", source
		cmd = redis.NewZeroCopyStringCmd(ctx, buf, args...)
		err = client.Process(ctx, cmd)
	}
	if err != nil {
		return nil, err
	}
	return cmd.Bytes(), nil
}
