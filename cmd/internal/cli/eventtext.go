package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// firstFacts are the fields that say most about an event, in the order in which a person
// wants to read them; the rest follows by name.
var firstFacts = []string{"code", "count", "cause", "evidence", "err", "error", "version", "revision", "source", "to", "actor", "reason", "why", "changes"}

// hiddenFacts are fields that only programs need; -o json has them.
var hiddenFacts = []string{"at", "stack", "generation", "since"}

// eventText says in a line what the data of an event says: the facts that decided.
func eventText(e *adminapi.Event) string {
	data := map[string]any{}
	if len(e.Data) == 0 || json.Unmarshal(e.Data, &data) != nil {
		return strings.TrimSpace(strings.Trim(string(e.Data), `"`))
	}
	parts := change(data, e.Type == stateChange)
	if text, ok := data["text"].(string); ok { // it says what the numbers beside it do
		parts = append(parts, text)
		for _, key := range textFacts {
			delete(data, key)
		}
	}
	if code, ok := data["code"].(string); ok && data["count"] != nil {
		parts = append(parts, code+" "+factText("count", data["count"], e))
		delete(data, "code")
		delete(data, "count")
	}
	for _, key := range factOrder(data) {
		if text := factText(key, data[key], e); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, ", ")
}

// textFacts are what a text of an alert says in words.
var textFacts = []string{"text", "kind", "measure", "seen", "against", "cause"}

const stateChange = "circuit_breaker.state_change"

// change takes out of data from what to what something went. Of a breaker the state that
// is left out is closed, which is zero.
func change(data map[string]any, ofBreaker bool) []string {
	from, to := data["from"], data["to"]
	if !ofBreaker && (from == nil || to == nil) {
		return nil
	}
	delete(data, "from")
	delete(data, "to")
	return []string{stateText(from) + " → " + stateText(to)}
}

// stateText names the state of a breaker. Data leaves out what is zero, as closed is.
func stateText(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	return "closed"
}

func factOrder(data map[string]any) []string {
	place := func(key string) int {
		if i := slices.Index(firstFacts, key); i >= 0 {
			return i
		}
		return len(firstFacts)
	}
	keys := slices.Sorted(maps.Keys(data))
	slices.SortStableFunc(keys, func(x, y string) int { return place(x) - place(y) })
	return keys
}

// factText words one field, "" for one that says nothing new.
func factText(key string, value any, e *adminapi.Event) string {
	if slices.Contains(hiddenFacts, key) || value == e.Name || key == "revision" && !strings.HasPrefix(e.Type, "config_server.") {
		return ""
	}
	switch v := value.(type) {
	case bool:
		return map[bool]string{true: spaced(key)}[v]
	case float64:
		if strings.HasPrefix(e.Type, "memory_manager.") {
			return memoryText(key, v)
		}
		return numberText(key, v)
	case string:
		return stringText(key, v)
	case []any:
		return factList(key, v)
	case map[string]any:
		return factObject(v, e.Name)
	}
	return ""
}

func numberText(key string, v float64) string {
	if name, ok := strings.CutSuffix(key, "_seconds"); ok {
		return spaced(name) + " " + seconds(v)
	}
	if key == "count" {
		return "×" + strconv.FormatFloat(v, 'f', -1, 64)
	}
	return spaced(key) + " " + strconv.FormatFloat(v, 'f', -1, 64)
}

// memoryText words a number of an event of the memory manager, which is in bytes where it is
// neither a duration nor a share.
func memoryText(key string, v float64) string {
	switch key {
	case "used", "limit", "target", "freed", "measured":
		return key + " " + byteText(int64(v))
	case "ratio":
		return ratioText(v)
	}
	return numberText(key, v)
}

// shownText is how much of a text a line shows.
const shownText = 300

func stringText(key, v string) string {
	if name, ok := strings.CutSuffix(key, "_at"); ok {
		if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return spaced(name) + " at " + at.Local().Format("15:04:05Z07:00")
		}
	}
	if len(v) > shownText {
		v = strings.ToValidUTF8(v[:shownText], "") + "…"
	}
	switch key {
	case "code", "cause", "err", "error":
		return v
	case "actor":
		return "by " + v
	case "reason":
		return strconv.Quote(v)
	}
	return spaced(key) + " " + v
}

func factList(key string, list []any) string {
	var parts []string
	for _, item := range list {
		if text := itemText(item); text != "" {
			parts = append(parts, text)
		}
	}
	text := strings.Join(parts, ", ")
	switch {
	case key == "evidence":
		return text
	case len(parts) > 3:
		return fmt.Sprintf("%d %s: %s, …", len(parts), spaced(key), strings.Join(parts[:3], ", "))
	}
	return spaced(key) + ": " + text
}

// itemText words what stands in lists: facts, changes of the configuration, problems.
func itemText(item any) string {
	m, ok := item.(map[string]any)
	if !ok {
		return fmt.Sprint(item)
	}
	switch {
	case m["action"] != nil:
		return strings.TrimSpace(fmt.Sprintf("%v %v", joined(".", m["section"], m["name"]), m["action"]))
	case m["message"] != nil:
		return strings.TrimSpace(fmt.Sprintf("%s %v", joined(".", m["field"]), m["message"]))
	case m["name"] == "config_revision":
		return ""
	case m["name"] != nil:
		return measureText(m)
	}
	return fmt.Sprint(m)
}

// measureText words a number that decided, with the bound that it was held against.
func measureText(m map[string]any) string {
	unit := joined("", m["unit"])
	value := func(key string) string {
		n, _ := m[key].(float64) // data leaves out a zero
		if unit == "seconds" {
			return cmp.Or(seconds(n), "0s")
		}
		return strconv.FormatFloat(n, 'g', 4, 64)
	}
	text := spaced(fmt.Sprint(m["name"])) + " " + value("value")
	if m["bounded"] == true {
		text += " of " + value("limit")
	}
	if unit == "seconds" || unit == "" {
		return text
	}
	return text + " " + unit
}

// joined writes the parts that there are.
func joined(between string, parts ...any) string {
	var texts []string
	for _, p := range parts {
		if s, ok := p.(string); ok && s != "" {
			texts = append(texts, s)
		}
	}
	return strings.Join(texts, between)
}

// factObject words a nested object; one that spells the name of the event says nothing.
func factObject(m map[string]any, name string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %v", spaced(key), m[key]))
	}
	if joined("/", m["namespace"], m["name"]) == name {
		return ""
	}
	return strings.Join(parts, ", ")
}
