package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/internal/localfile"
)

func (a *app) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "validate FILE", Short: "Check a configuration file without a daemon", Args: takes("FILE"),
		Long: "Check a configuration file (- is stdin) and report every fault with its line and column.\n" +
			"The exit code is 0 if a daemon would take it and 1 if not; warnings do not count.\n" +
			"With -o json each fault has file, line, column, path and code.",
		RunE: a.run(func(ctx context.Context, args []string) error { return a.validate(ctx, args[0]) }),
	}
}

// Validation is the answer of config validate.
type Validation struct {
	APIVersion string          `json:"api_version"`
	File       string          `json:"file"`
	Valid      bool            `json:"valid"`
	Guards     int             `json:"guards"`
	Breakers   int             `json:"breakers"`
	RateLimits int             `json:"rate_limits"`
	Pools      int             `json:"pools"`
	Routes     int             `json:"routes"`
	Problems   []ConfigProblem `json:"problems"` // why it is not valid, in the order of the file
	Warnings   []ConfigProblem `json:"warnings"` // what is legal and very likely a mistake
}

// ConfigProblem is one fault of a configuration file.
type ConfigProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`   // 0 where the file as a whole is meant
	Column  int    `json:"column"` // in characters, from 1
	Path    string `json:"path"`   // as in "guards.checkout.timeout"; empty for the syntax
	Code    string `json:"code"`
	Value   string `json:"value"` // as it is written; never a secret
	Message string `json:"message"`
	Excerpt string `json:"excerpt"` // the line, and a caret below the place
}

func (a *app) validate(ctx context.Context, file string) error {
	v := Validation{APIVersion: adminapi.Version, File: shownFile(file), Problems: []ConfigProblem{}, Warnings: []ConfigProblem{}}
	c, err := a.load(ctx, file)
	var warnings []fault.Problem
	if err == nil {
		warnings, err = c.Validate(registry())
	}
	for _, w := range warnings {
		v.Warnings = append(v.Warnings, configProblem(v.File, w))
	}
	if err != nil {
		v.Problems = configProblems(v.File, err)
		if a.output == outputTable {
			return failed(err)
		}
		if err := a.print(v, nil); err != nil {
			return err
		}
		return answeredNo(err)
	}
	v.Valid = true
	v.Guards, v.Breakers, v.RateLimits, v.Pools = len(c.Guards), len(c.Breakers), len(c.RateLimits), len(c.Pools)
	if g := settings.GatewayOf(c); g != nil {
		v.Routes = len(g.Routes)
	}
	return a.print(v, func() error {
		for _, w := range warnings {
			fmt.Fprintln(a.env.Stderr, w.String())
		}
		a.say("%s is valid: %s, %s, %s, %s, %s", v.File, numbered(v.Guards, "guard"), numbered(v.Breakers, "breaker"),
			numbered(v.RateLimits, "rate limit"), numbered(v.Pools, "pool"), numbered(v.Routes, "route"))
		return nil
	})
}

// stdin is the name of a file that stands for the standard input.
const stdin = "-"

func shownFile(file string) string {
	if file == stdin {
		return "stdin"
	}
	return file
}

// load reads a configuration as the daemon would, with the variables of this process.
func (a *app) load(ctx context.Context, file string) (*config.Config, error) {
	text, err := a.readFile(ctx, file)
	if err != nil {
		return nil, err
	}
	return config.Parse(shownFile(file), text, config.ParseOptions{
		LookupEnv: a.env.LookupEnv, Registry: registry(),
		ReadFile: func(path string) ([]byte, error) { return localfile.Read(ctx, path, localfile.MaxSecret) },
	})
}

// maxConfig is one byte more than a configuration may have.
const maxConfig = 4<<20 + 1

func (a *app) readFile(ctx context.Context, file string) (text []byte, err error) {
	if file != stdin {
		text, err = localfile.Read(ctx, file, maxConfig)
	} else if a.env.Stdin != nil {
		text, err = io.ReadAll(io.LimitReader(a.env.Stdin, maxConfig))
	}
	if err != nil {
		return nil, fault.New(fault.Spec{Code: fault.InvalidConfig, Component: "config", Name: shownFile(file), Message: "the file cannot be read", Cause: err})
	}
	return text, nil
}

// configProblems lists what is wrong with a file: one problem without a place where the
// file as a whole is wrong.
func configProblems(file string, err error) []ConfigProblem {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || len(f.Problems()) == 0 {
		p := ConfigProblem{File: file, Code: fault.InvalidConfig.String(), Message: err.Error()}
		if ok {
			p.Code = f.Code().String()
		}
		return []ConfigProblem{p}
	}
	list := make([]ConfigProblem, 0, len(f.Problems()))
	for _, p := range f.Problems() {
		list = append(list, configProblem(file, p))
	}
	return list
}

func configProblem(file string, p fault.Problem) ConfigProblem {
	line, column := placeOf(p.Position)
	return ConfigProblem{
		File: file, Line: line, Column: column, Path: p.Field, Code: fault.InvalidConfig.String(), Value: p.Value, Message: p.Message, Excerpt: p.Excerpt,
	}
}

// placeOf reads a position, as in "foundation.yaml:12:7".
func placeOf(position string) (line, column int) {
	rest, last := cutLast(position)
	_, before := cutLast(rest)
	line, err := strconv.Atoi(before)
	if column, _ = strconv.Atoi(last); err != nil || column == 0 {
		return 0, 0
	}
	return line, column
}

func cutLast(text string) (before, after string) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return "", text
	}
	return text[:i], text[i+1:]
}

// numbered counts things for people: "1 guard", "2 guards".
func numbered[N int | int64 | uint64](n N, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// problemText renders the problems of a configuration, or else the text.
func problemText(problems []fault.Problem, text string) string {
	err := fault.Problems(problems).Err("config", "")
	if err == nil {
		return cmp.Or(text, "no reason is given") + "\n"
	}
	return config.Render(err)
}
