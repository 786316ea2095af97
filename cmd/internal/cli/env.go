package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/cmd/internal/logs"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// The exit codes; they are a contract.
const (
	ExitOK          = 0 // done
	ExitFailure     = 1 // the command ran and failed, or the answer is no
	ExitUsage       = 2 // the command line or the configuration cannot be used
	ExitUnreachable = 3 // no daemon answers at the address
)

// Env is all that a command sees of the process it runs in, so that tests run
// commands without one.
type Env struct {
	Stdout, Stderr io.Writer
	Stdin          io.Reader // nil is empty
	LookupEnv      func(string) (string, bool)
	// Terminal reports whether Stdout is a terminal; only then is colour used.
	Terminal bool
	// Hangups begins to deliver the signals that ask for a reload; stop ends it.
	// Nil means that there are none.
	Hangups func() (hangups <-chan os.Signal, stop func())
	// IgnorePipes keeps the process alive when whoever reads its output has left; a
	// command that serves calls it. All others end then, as programs in a pipe do.
	// Nil does nothing.
	IgnorePipes func()
	// Program is how the user calls this program, for the commands it suggests.
	Program string
}

// OSEnv returns the environment of this process. The functions are what the field
// of the same name does.
func OSEnv(hangups func() (<-chan os.Signal, func()), ignorePipes func()) Env {
	return Env{
		Stdout: os.Stdout, Stderr: os.Stderr, Stdin: os.Stdin, LookupEnv: os.LookupEnv,
		Terminal: isTerminal(os.Stdout), Hangups: hangups, IgnorePipes: ignorePipes, Program: programName(os.Args[0]),
	}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// programName keeps suggested commands runnable: a program started by "go run"
// lives in a directory that is gone a moment later.
func programName(arg0 string) string {
	if strings.Contains(arg0, "go-build") {
		return "go run ./cmd/foundation"
	}
	if strings.Contains(arg0, "/") {
		return arg0
	}
	return "foundation"
}

func (e Env) getenv(name string) string {
	if e.LookupEnv == nil {
		return ""
	}
	value, _ := e.LookupEnv(name)
	return value
}

// app is one run of the program.
type app struct {
	env    Env
	where  connection
	api    *adminapi.Client // once something was asked, see client
	output string
	logs   *logs.Queue // in front of stderr, once a command serves
	// began is set once a command's own code runs: an error before that is a
	// misuse of the command line.
	began bool
}

// Run runs one command line and returns its exit code.
func Run(ctx context.Context, env Env, args []string) int {
	a := &app{env: env}
	defer a.flush()
	defer a.disconnect()
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	if !a.began {
		err = usage(err, a.helpHint(root, args))
	}
	a.report(err)
	return exitCode(err)
}

func (a *app) helpHint(root *cobra.Command, args []string) string {
	command, _, err := root.Find(args)
	if err != nil || command == nil {
		command = root
	}
	return "see '" + command.CommandPath() + " --help'"
}

// run adapts a command's code and notes that it began.
func (a *app) run(fn func(context.Context, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.began = true
		return fn(cmd.Context(), args)
	}
}

func exitCode(err error) int {
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	return ExitFailure
}
