// Package top draws frames of a daemon on a terminal: what is wrong, the totals, and one row
// for each part, worst first. The model is a pure function of its messages; [Run] attaches it
// to a terminal and to a daemon, and [Text] is one frame for a ticket.
package top
