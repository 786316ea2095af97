// Package cmd is the root of the module that holds the foundation binary.
package cmd
