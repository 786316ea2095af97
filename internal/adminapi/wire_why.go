package adminapi

import "time"

// Recent is what a guard or a route did of late.
type Recent struct {
	// Source is "minute": the numbers are of the last minute; or "start": nothing keeps minutes,
	// because performance is off, and they are of all the time since the start.
	Source        string            `json:"source"`
	WindowSeconds float64           `json:"window_seconds"`
	Calls         uint64            `json:"calls"` // that came, refused ones among them
	Rate          float64           `json:"rate"`  // of them a second
	Succeeded     uint64            `json:"succeeded"`
	Failed        uint64            `json:"failed"` // without those that timed out
	TimedOut      uint64            `json:"timed_out"`
	Canceled      uint64            `json:"canceled"` // by whoever called
	Refused       uint64            `json:"refused"`
	RefusedBy     map[string]uint64 `json:"refused_by"` // code
	FailedBy      map[string]uint64 `json:"failed_by"`  // class, where that is known: of routes
	// IgnoredBy are the calls that neither succeeded nor failed, by what became of them: of
	// guards "ignored", of routes "client_not_sending", "client_deadline", "client_slow",
	// "upgraded", "4xx" (429 and 499 of the upstream) or "other".
	IgnoredBy map[string]uint64 `json:"ignored_by"`
	// Requests are all requests of a route as in [Route], whoever answered; empty for guards.
	Requests   map[string]uint64 `json:"requests"`
	P50Seconds float64           `json:"p50_seconds"`
	P90Seconds float64           `json:"p90_seconds"`
	P99Seconds float64           `json:"p99_seconds"`
	// UsualP90Seconds is p90 in the ten minutes before the last one; 0 if it had too few calls.
	UsualP90Seconds float64 `json:"usual_p90_seconds"`
	// Trouble says in a word what is wrong with it: "full", "refuses", "fails", "leave", "slow",
	// or "" if nothing is.
	Trouble string `json:"trouble"`
	// Share is the share of the calls that are in trouble, Reason the code or class of most of
	// them, and Since is since when; zero while there is no trouble.
	Share        float64   `json:"share"`
	Reason       string    `json:"reason"`
	Since        time.Time `json:"since"`
	SinceSeconds float64   `json:"since_seconds"`
}

// Finding is one thing that is wrong: a root cause and what it takes with it.
type Finding struct {
	Kind         string    `json:"kind"` // of the part, "" for the whole program
	Name         string    `json:"name"`
	Text         string    `json:"text"`
	Command      string    `json:"command"` // that tells more
	Takes        []string  `json:"takes"`   // what else is not well because of it, as in "route pay"
	Since        time.Time `json:"since"`   // zero where that is not known
	SinceSeconds float64   `json:"since_seconds"`
}

// Why is the answer of GET /v1/why/{kind}/{name}: what is wrong with a part, or that nothing is.
type Why struct {
	APIVersion   string     `json:"api_version"`
	Kind         string     `json:"kind"`
	Name         string     `json:"name"`
	At           time.Time  `json:"at"`
	Well         bool       `json:"well"`
	Verdict      string     `json:"verdict"` // in a sentence
	Since        time.Time  `json:"since"`   // that it is not well
	SinceSeconds float64    `json:"since_seconds"`
	Numbers      []Number   `json:"numbers"`
	Parts        []WhyPart  `json:"parts"`   // that belong to it
	Errors       []WhyError `json:"errors"`  // the latest first
	Holders      []Holder   `json:"holders"` // of its places
	Denied       []Denied   `json:"denied"`  // the keys that are denied most
	Before       []Before   `json:"before"`  // what changed before it began, the latest first
	BeforeNote   string     `json:"before_note"`
	Try          []Try      `json:"try"`
}

// Number is a number beside the bound that it is held against.
type Number struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	Limit   float64 `json:"limit"`
	Bounded bool    `json:"bounded"` // whether limit means anything
	Unit    string  `json:"unit"`    // "", "seconds", "ratio" or "per_second"
	Bad     bool    `json:"bad"`     // it is what is wrong, or a part of it
	Note    string  `json:"note"`    // what it is about, in a few words
}

// WhyPart is a part that belongs to the one that was asked about.
type WhyPart struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Well  bool   `json:"well"`
	State string `json:"state"` // in a few words
}

// WhyError is a class of failures.
type WhyError struct {
	Class      string    `json:"class"`
	Count      uint64    `json:"count"`
	Last       time.Time `json:"last"`
	AgoSeconds float64   `json:"ago_seconds"`
	Where      string    `json:"where"`  // the part that has counted them, as in "route pay"
	Detail     string    `json:"detail"` // the text of one of them, where it may be told
}

// Holder holds places of a part.
type Holder struct {
	Kind          string  `json:"kind"`
	Name          string  `json:"name"`
	Held          int64   `json:"held"`
	OldestSeconds float64 `json:"oldest_seconds"` // 0 where that is not known
}

// Denied is a key that a rule has denied often.
type Denied struct {
	Key        string    `json:"key"`
	Denied     uint64    `json:"denied"` // since the start
	Share      float64   `json:"share"`  // of all that the rule has denied
	Last       time.Time `json:"last"`
	AgoSeconds float64   `json:"ago_seconds"`
	Override   bool      `json:"override"` // has numbers of its own
}

// Before is something that happened before the trouble began.
type Before struct {
	At             time.Time `json:"at"`
	AgoSeconds     float64   `json:"ago_seconds"`
	EarlierSeconds float64   `json:"earlier_seconds"` // than the beginning of the trouble
	What           string    `json:"what"`            // "revision", "override", "transition", "annotation" and so on
	Name           string    `json:"name"`            // of the part that it happened to
	Actor          string    `json:"actor"`
	Text           string    `json:"text"`
	Command        string    `json:"command"` // that tells more, "" if nothing does
}

// Try is something to do.
type Try struct {
	Command string `json:"command"` // "" where it is nothing for a command line
	Text    string `json:"text"`
}
