// Package perf knows what is normal for the operations of a service and says when they are
// not: it records how long calls take and how they end, learns baselines, watches thresholds
// and objectives, and raises alerts.
//
// # Recording
//
// Guards, pools and routes count their calls anyway; a [Monitor] pulls these counts once a
// second, so that watching costs the calls nothing. What a program wants watched beside them
// it counts by an [Operation]. Of every operation the last five minutes are kept second by
// second, and the last hour in steps of ten seconds; see [Monitor.Window] and
// [Monitor.Series]. A [Snapshot] can be merged with those of other instances.
//
// # Judging
//
// Every tick, ten seconds by default, each operation is compared with what is normal for it,
// once that is learned; with the bounds that were set for it by hand; and with its
// objectives. An [Alert] says what was seen, against what, since when and over how many
// calls. There is one for each operation and kind at a time, and none while an operation that
// it is a part of has the same. Alerts are events, metrics and messages to a webhook.
//
// # What is not promised
//
// Everything is in memory: what is normal is learned anew by the next process. A call is
// counted in the second in which it was pulled.
package perf

// component names this kind of part in faults.
const component = "perf"
