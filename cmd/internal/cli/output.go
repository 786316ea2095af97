package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// print writes v in the chosen format; human writes the table.
func (a *app) print(v any, human func() error) error {
	switch a.output {
	case "json":
		raw, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return fmt.Errorf("render the answer: %w", err)
		}
		_, err = fmt.Fprintln(a.env.Stdout, escaped(raw))
		return err
	case "yaml":
		return a.printYAML(v)
	default:
		return human()
	}
}

// printYAML goes through JSON, so that both formats have the same names and the
// same order.
func (a *app) printYAML(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("render the answer: %w", err)
	}
	var node yaml.Node
	if err := yaml.Unmarshal(raw, &node); err != nil {
		return fmt.Errorf("render the answer: %w", err)
	}
	blockStyle(&node)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&node); err != nil {
		return fmt.Errorf("render the answer: %w", err)
	}
	_, err = io.WriteString(a.env.Stdout, escaped(out.Bytes()))
	return err
}

// blockStyle undoes the flow style and the quotes that the nodes have from JSON;
// the encoder quotes again where a plain scalar would change its type.
func blockStyle(n *yaml.Node) {
	if len(n.Content) > 0 || n.Kind == yaml.ScalarNode {
		n.Style = 0
	}
	if n.Kind == yaml.ScalarNode && printableLines(n.Value) != n.Value {
		n.Style = yaml.DoubleQuotedStyle // in which it can be escaped
	}
	for _, child := range n.Content {
		blockStyle(child)
	}
}

func (a *app) colour() bool { return a.env.Terminal && a.env.getenv("NO_COLOR") == "" }

func (a *app) show(t *table) error { return t.write(a.env.Stdout, a.colour()) }

func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.env.Stdout, format+"\n", args...)
}

// stamp renders a time for people, with its zone; the zero time is empty.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05Z07:00")
}

// seconds renders a wire duration for people, "" for none.
func seconds(s float64) string {
	if s <= 0 {
		return ""
	}
	d := time.Duration(s * float64(time.Second))
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Minute:
		return trimZeros(d.Round(100 * time.Millisecond).String())
	}
	if d.Round(time.Second) >= day {
		return durationText(d.Round(time.Minute))
	}
	return trimZeros(d.Round(time.Second).String())
}

// trimZeros makes 1m0s a 1m and 2h0m0s a 2h.
func trimZeros(s string) string {
	if rest, ok := strings.CutSuffix(s, "m0s"); ok {
		s = rest + "m"
	}
	if rest, ok := strings.CutSuffix(s, "h0m"); ok {
		s = rest + "h"
	}
	return s
}
