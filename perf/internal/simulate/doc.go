// Package simulate makes the ticks of services that do not exist, with incidents whose time,
// kind and size are known, and judges a detector by them. Everything follows from a seed.
package simulate
