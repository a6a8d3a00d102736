package main

import "github.com/spf13/cobra"

func checkNginxCommand() *cobra.Command { return &cobra.Command{Use: "check-nginx FILE"} }
