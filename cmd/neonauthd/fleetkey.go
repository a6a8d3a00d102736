package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/internal/program/command"
)

// fleetKeyCommand prints a key for the hosts of a fleet.
func fleetKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "fleet-key",
		Short: "Print a fresh key for a fleet",
		Long: `Prints a fresh key for a fleet: 32 random bytes in base64. Give the same one to
every host of the fleet, in a file that nobody else can read, and name that file
in the keys of [fleet]. Nothing keeps a copy.`,
		Example: `  (umask 077; neonauthd fleet-key >fleet-key)`,
		Args:    command.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), fleet.GenerateKey())
			return err
		},
	}
}
