package prometheus

import (
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// MaxLabelValue is the greatest length of a label value, in bytes.
const MaxLabelValue = 128

// cleanAll returns exactly n clean values: a part that gives too few or too many
// is a defect, and a defect must not cost the scrape.
func cleanAll(values []string, n int) []string {
	out := make([]string, n)
	for i := range out {
		if i < len(values) {
			out[i] = clean(values[i])
		}
	}
	return out
}

// clean returns v as valid UTF-8 of at most MaxLabelValue bytes. A value that is
// cut keeps apart from others with the same beginning by a hash at its end.
func clean(v string) string {
	valid := strings.ToValidUTF8(v, "\uFFFD")
	if len(valid) <= MaxLabelValue {
		return valid
	}
	hash := fnv.New64a()
	hash.Write([]byte(v))
	tail := "~" + strconv.FormatUint(hash.Sum64(), 16)
	return strings.ToValidUTF8(valid[:MaxLabelValue-len(tail)], "") + tail
}

// pairs returns the labels sorted by name, as the client library expects them.
func pairs(names, values []string) []*dto.LabelPair {
	out := make([]*dto.LabelPair, len(names))
	for i := range names {
		out[i] = &dto.LabelPair{Name: &names[i], Value: &values[i]}
	}
	slices.SortFunc(out, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	return out
}
