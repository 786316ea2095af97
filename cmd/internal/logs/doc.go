// Package logs keeps the log of a long-running process from getting in the way of
// its service: a [Queue] takes lines without waiting for whoever reads them. [JSON] writes them.
package logs
