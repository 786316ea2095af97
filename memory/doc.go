// Package memory watches how much memory the process has left and refuses new work by
// priority before it runs out.
package memory
