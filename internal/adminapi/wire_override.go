package adminapi

import "encoding/json"

// KeyOverride is what one key of a rule is counted by: the word exempt, or numbers with those
// of the rule filled in.
type KeyOverride struct {
	Exempt     bool    `json:"exempt"` // the word stands for all of it
	Limit      int64   `json:"limit"`  // 0: every call is refused
	PerSeconds float64 `json:"per_seconds"`
	Burst      int64   `json:"burst"`
}

const exempt = "exempt"

// MarshalJSON implements [json.Marshaler].
func (o KeyOverride) MarshalJSON() ([]byte, error) {
	if o.Exempt {
		return json.Marshal(exempt)
	}
	return json.Marshal(numbersOfKey{o.Limit, o.PerSeconds, o.Burst})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (o *KeyOverride) UnmarshalJSON(text []byte) error {
	var word string
	if json.Unmarshal(text, &word) == nil && word == exempt {
		*o = KeyOverride{Exempt: true}
		return nil
	}
	var n numbersOfKey
	err := json.Unmarshal(text, &n)
	*o = KeyOverride{Limit: n.Limit, PerSeconds: n.PerSeconds, Burst: n.Burst}
	return err
}

type numbersOfKey struct {
	Limit      int64   `json:"limit"`
	PerSeconds float64 `json:"per_seconds"`
	Burst      int64   `json:"burst"`
}
