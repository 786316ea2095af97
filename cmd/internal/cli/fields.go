package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completionTimeout is how long a shell may be kept waiting for names.
const completionTimeout = time.Second

func cmdContext(cmd *cobra.Command) context.Context {
	if ctx := cmd.Context(); ctx != nil {
		return ctx
	}
	return context.Background()
}

func dashed(s string) string { return strings.ReplaceAll(s, "_", "-") }
func spaced(s string) string { return strings.ReplaceAll(s, "_", " ") }

// showFields shows one part whole: its row, then every field under its wire
// name, so that what is read here can be looked for in the JSON and the docs: those that
// are set, each count with its bound, and then the names of the others.
func (a *app) showFields(v any, row *table) error {
	if err := a.show(row); err != nil {
		return err
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("render the answer: %w", err)
	}
	f := fields{table: newTable("FIELD", "VALUE"), bounds: boundsIn(raw)}
	if err := f.add("", raw); err != nil {
		return fmt.Errorf("render the answer: %w", err)
	}
	a.say("")
	if err := a.show(f.table); err != nil {
		return err
	}
	if len(f.unset) > 0 {
		a.sayWrapped("zero or not set: ", strings.Join(f.unset, ", "))
	}
	return nil
}

// boundOf names the bound of a count, which is shown beside it.
var boundOf = map[string]string{"in_flight": "concurrency", "keys": "max_keys", "member_count": "max_members", "checked_out": "size", "p99_seconds": "timeout_seconds"}

// boundsIn reads the bounds that are set.
func boundsIn(raw json.RawMessage) map[string]string {
	all, bounds := map[string]json.RawMessage{}, map[string]string{}
	if json.Unmarshal(raw, &all) != nil {
		return bounds
	}
	for count, bound := range boundOf {
		if value, has := all[bound]; has && !isZero(value) {
			bounds[count] = fieldText(bound, value)
		}
	}
	return bounds
}

// fields are the members of an object, in the order of the wire.
type fields struct {
	table  *table
	bounds map[string]string
	unset  []string
}

func isZero(raw json.RawMessage) bool {
	switch string(raw) {
	case "0", `""`, "false", "null", "[]", "{}", `"0001-01-01T00:00:00Z"`:
		return true
	}
	return false
}

func (f *fields) add(prefix string, raw json.RawMessage) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil { // the opening brace
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		path := prefix + fmt.Sprint(name)
		if value[0] == '{' && len(value) > len("{}") {
			if err := f.add(path+".", value); err != nil {
				return err
			}
			continue
		}
		bound := f.bounds[path]
		if isZero(value) && bound == "" {
			f.unset = append(f.unset, path)
			continue
		}
		text := fieldText(path, value)
		if bound != "" {
			text += " of " + bound
		}
		f.table.row(path, text)
	}
	return nil
}

func fieldText(path string, raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	switch v := v.(type) {
	case string:
		return timeText(v)
	case float64:
		if strings.HasSuffix(path, "_seconds") && v != 0 {
			return seconds(v)
		}
	case []any:
		return listText(v)
	}
	return strings.Trim(string(raw), "{}")
}

func timeText(s string) string {
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return s
	}
	return stamp(at)
}

func listText(list []any) string {
	var parts []string
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			parts = append(parts, fmt.Sprint(item))
			continue
		}
		parts = append(parts, strings.TrimSpace(memberText(m)))
	}
	return strings.Join(parts, ", ")
}

// memberText shortens the objects that occur in lists.
func memberText(m map[string]any) string {
	switch {
	case m["key"] != nil:
		return fmt.Sprintf("%v ×%v", m["key"], m["denied"])
	case m["text"] != nil:
		return fmt.Sprintf("%v %v: %v", m["kind"], m["state"], m["text"])
	case m["spent"] != nil:
		return fmt.Sprintf("%v %v: %.3g%% of what it allows is spent, %.3g times as fast as allowed now", m["measure"], m["target"], percentOf(m["spent"]), m["burn"])
	case m["class"] != nil:
		return fmt.Sprintf("%v ×%v", m["class"], m["count"])
	case m["member"] != nil:
		return fmt.Sprintf("%v %v", m["member"], m["state"])
	case m["bounded"] == true:
		return fmt.Sprintf("%v %s of %s", m["name"], measured(m, "value"), measured(m, "limit"))
	case m["bounded"] == false:
		return fmt.Sprintf("%v %s", m["name"], measured(m, "value"))
	}
	return fmt.Sprint(m)
}

// measured writes a number of a fact in its unit.
func measured(m map[string]any, key string) string {
	v, _ := m[key].(float64)
	unit, _ := m["unit"].(string)
	return amount(v, unit)
}

// percentOf turns a share into percent.
func percentOf(share any) float64 {
	v, _ := share.(float64)
	return 100 * v
}
