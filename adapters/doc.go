// Package adapters is the root of the module that holds what needs libraries of
// its own: exporters, transports and storage. See its subdirectories.
package adapters
