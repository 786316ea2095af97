package main
type footprint struct{ name string; bytes float64 }
func memoryPerKey() []footprint { return nil }
func limiterScenarios() []scenario { return nil }
func guardScenarios() []scenario { return nil }
