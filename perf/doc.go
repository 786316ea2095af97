package perf

const component = "perf"
