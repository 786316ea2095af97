package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// exitError is an error that chooses the exit code and says how to go on.
type exitError struct {
	code  int
	err   error
	fix   string
	quiet bool // the output has said it all
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usage marks err as a misuse of the command line.
func usage(err error, fix string) error { return &exitError{code: ExitUsage, err: err, fix: fix} }

// failed marks err as a failure.
func failed(err error) error { return &exitError{code: ExitFailure, err: err} }

// answeredNo ends a command whose output was the answer "no".
func answeredNo(err error) error { return &exitError{code: ExitFailure, err: err, quiet: true} }

// report writes err to stderr: what and where, then how to fix it.
func (a *app) report(err error) {
	e, _ := errors.AsType[*exitError](err)
	if e != nil && e.quiet {
		return
	}
	if a.output == "json" {
		a.reportJSON(err, e)
		return
	}
	fmt.Fprintln(a.env.Stderr, "Error: "+printableLines(strings.TrimRight(describe(err), "\n")))
	if e != nil && e.fix != "" {
		fmt.Fprintln(a.env.Stderr, "Try:   "+e.fix)
	}
}

// describe renders err for people: the problems of a configuration each with
// its place, everything else on one line.
func describe(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok && len(f.Problems()) > 0 {
		return config.Render(f)
	}
	if p, ok := errors.AsType[*adminapi.Problem](err); ok && len(p.Problems) > 0 {
		return problemText(p.Problems, p.Detail)
	}
	return err.Error()
}

// reportJSON writes err as a problem object (RFC 9457) for programs.
func (a *app) reportJSON(err error, e *exitError) {
	problem := struct {
		Title    string `json:"title"`
		Detail   string `json:"detail"`
		Fix      string `json:"fix"`
		Code     string `json:"code"`
		ExitCode int    `json:"exit_code"`

		Problems []fault.Problem `json:"problems"`
	}{Title: "command failed", Detail: err.Error(), Code: fault.OperationFailed.String(), ExitCode: exitCode(err), Problems: []fault.Problem{}}
	if e != nil {
		problem.Fix = e.fix
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		problem.Title, problem.Code = f.Code().Title(), f.Code().String()
		problem.Problems = append(problem.Problems, f.Problems()...)
	}
	if p, ok := errors.AsType[*adminapi.Problem](err); ok {
		problem.Title, problem.Code = p.Title, p.Code
		problem.Problems = append(problem.Problems, p.Problems...)
	}
	raw, _ := json.MarshalIndent(problem, "", "  ") // a struct of strings cannot fail
	fmt.Fprintln(a.env.Stderr, escaped(raw))
}

// takes checks the number of arguments and names those that are meant, which
// cobra's own checks do not.
func takes(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return fmt.Errorf("%s is missing", strings.Join(names[len(args):], " and "))
		}
		if len(args) > len(names) {
			return fmt.Errorf("%q is one argument too many: this takes %s", args[len(names)], strings.Join(names, " and "))
		}
		return nil
	}
}
