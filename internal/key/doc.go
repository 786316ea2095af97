// Package key names what a protection counts apart: a client, a tenant, a pair
// of both. It is internal because the packages that take keys export the type
// under a name of their own.
//
// A [Key] is a value of up to [MaxParts] parts and costs no allocation. It keeps
// its parts, so that people can read it, and is found in tables by a [Hash] of
// its first n parts, so that one key serves a rule for an organisation and a
// rule for one of its users.
//
// # Collisions
//
// Two different keys share a hash with a chance of 2⁻¹²⁷: the parts are
// delimited by their lengths, and SipHash is keyed with 128 bits that are drawn
// when the process starts, so nobody can search for keys that collide. Hashes
// therefore mean nothing in another process and must not be stored.
package key
