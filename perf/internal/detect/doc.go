// Package detect decides whether a series behaves as it used to: pure functions and plain
// state, without a clock, a goroutine or an allocation per observation.
//
// A front end turns one tick into [Evidence]: by how many deviations it differs from a
// baseline that was learned from the ticks before. One alert core, [Rule.Step], turns the
// evidence into phases and decisions. There are front ends for the calls of an operation
// ([Operation]: latency, errors, throughput) and for a series of plain numbers ([Series]).
//
// # Sources
//
//   - Exceedance tests: exact binomial and Poisson tails; the overdispersion of real traffic
//     divides the score by the deviation of past scores (quasi-likelihood; McCullagh and
//     Nelder, Generalized Linear Models, 1989).
//   - Counts are compared on the scale of Anscombe's square root (Biometrika 35, 1948).
//   - Small lasting shifts: CUSUM (Page, Biometrika 41, 1954) with clipped scores, so that one
//     outlier is not a shift; run lengths by Siegmund (Sequential Analysis, 1985). Its drift
//     of one deviation is the optimal one for shifts of two. Correlated ticks are weighed by
//     the long-run variance of a first-order autoregression.
//   - Tails of an unknown distribution: peaks over a threshold with a generalized Pareto
//     tail, fitted by moments (Hosking and Wallis, Technometrics 29, 1987), as in Siffer et al.,
//     Anomaly Detection in Streams with Extreme Value Theory (KDD 2017).
//   - k of n with a minimum effect and hysteresis: the usual practice of alerting.
package detect
