package gateway

// Buffers lets the yardstick of the benchmarks copy with the same buffers.
var Buffers = buffers
