package nginxcheck

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/program/command"
)

// Command returns the command "check-nginx", which checks by these rules.
func Command(rules Rules) *cobra.Command {
	var prefix string
	cmd := &cobra.Command{
		Use:   "check-nginx FILE",
		Short: "Look for known mistakes in an nginx configuration",
		Long: `Reads an nginx configuration with its includes, and reports what would let a
visitor in without a check, or under another user's name: identity headers that are
not set, protocols to which a visitor can switch, exceptions that are wider than
they look, locations whose requirement another spelling of the path evades, servers
that pass requests on without asking, error pages that turn a refusal into a
success, caches that give one visitor's answer to another, requirements that do not
exist. Each finding says what to write instead. It exits with 1 if it finds
something. It does not need nginx, and does not replace "nginx -t".`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return program.Usage("check-nginx takes one file (see --help)")
			}
			if err := command.CheckPath(args[0]); err != nil {
				return program.UsageError{Err: fmt.Errorf("check-nginx takes a file, and %w", err)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			base := cmp.Or(prefix, filepath.Dir(args[0]))
			if info, err := os.Stat(base); prefix != "" && (err != nil || !info.IsDir()) {
				return program.Usage("there is no folder " + base + ": --prefix has to be the folder from which nginx reads relative includes, such as /etc/nginx")
			}
			found, err := Check(args[0], base, rules)
			if err != nil {
				return program.UsageError{Err: err}
			}
			for _, f := range found {
				fmt.Fprintln(cmd.OutOrStdout(), f)
			}
			if len(found) > 0 {
				return fmt.Errorf("%d finding(s); see above", len(found))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: no known trap\n", args[0])
			return nil
		},
	}
	command.Path(cmd.Flags(), &prefix, "prefix", "", "`DIR` from which relative includes are read (default: the file's own)")
	return cmd
}
