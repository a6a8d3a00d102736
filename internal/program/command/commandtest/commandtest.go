// Package commandtest tests that a program's command line keeps the promises of package
// command.
package commandtest

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/neonauthd/neonauthd/internal/program"
)

// pasted is a token that somebody puts in a wrong place. It is easy to find in any output.
const pasted = "eyJhbGciOiJFUzI1NiJ9.canary.canary"

// RepeatsNothing puts a token in each wrong place of a program's command line: as an
// argument, as a command, as a flag, and as the value of each flag of each command. Each
// of these calls has to fail with an error of usage that contains no part of the token.
// root returns a new root command of the program.
func RepeatsNothing(t *testing.T, root func() *cobra.Command) {
	t.Helper()
	var calls [][]string
	visit(root(), nil, func(cmd *cobra.Command, path []string) {
		call := func(args ...string) { calls = append(calls, append(append([]string{}, path...), args...)) }
		call("--" + pasted)
		call("-" + pasted)
		call(pasted, pasted)
		add := func(f *pflag.Flag) {
			call("--" + f.Name + "=" + pasted)
		}
		cmd.LocalFlags().VisitAll(add)
		cmd.InheritedFlags().VisitAll(add)
		call("--help=" + pasted)
	})
	if len(calls) < 10 {
		t.Fatalf("only %d calls were found to try", len(calls))
	}
	for _, args := range calls {
		cmd := root()
		var out bytes.Buffer
		cmd.SetArgs(args)
		cmd.SetIn(strings.NewReader(""))
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // nothing here may begin to serve
		err := cmd.ExecuteContext(ctx)
		switch {
		case program.ExitStatus(err) != program.ExitUsage:
			t.Errorf("%q is no error of usage: %v", args, err)
		case strings.Contains(err.Error()+out.String(), "canary"):
			t.Errorf("%q is repeated: %v\n%s", args, err, &out)
		}
	}
}

func visit(cmd *cobra.Command, path []string, see func(*cobra.Command, []string)) {
	see(cmd, path)
	for _, sub := range cmd.Commands() {
		visit(sub, append(path[:len(path):len(path)], sub.Name()), see)
	}
}
