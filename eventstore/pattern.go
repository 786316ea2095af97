package eventstore

// typeByte reports whether c may stand in a type. The characters are those that need
// no escape in the patterns of any database.
func typeByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	default:
		return c == '_' || c == '.' || c == ':' || c == '/' || c == '-'
	}
}

// invalidType returns the place of the first byte that no type has, or -1.
func invalidType(s string) int {
	for i := range len(s) {
		if !typeByte(s[i]) {
			return i
		}
	}
	return longerThanText(s)
}

// invalidPattern returns the place of the first byte that no pattern has, or -1.
func invalidPattern(s string) int {
	for i := range len(s) {
		if c := s[i]; c != '*' && c != '?' && !typeByte(c) {
			return i
		}
	}
	return longerThanText(s)
}

func longerThanText(s string) int {
	if len(s) > MaxText {
		return MaxText
	}
	return -1
}

// matchPattern goes back to the last * when a literal does not fit, never further:
// what an earlier * could take, the last one can take as well. Time is at most
// len(pattern)*len(s).
func matchPattern(pattern, s string) bool {
	p, i, star, from := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
