// Package flags holds the flags that several commands have.
package flags

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Organization adds --organization.
func Organization(cmd *cobra.Command, target *string) {
	cmd.Flags().StringVar(target, "organization", "", "`name` or ID of the organization, for a person in several (default tenant_id)")
}

// Yes adds --yes.
func Yes(cmd *cobra.Command, target *bool) {
	cmd.Flags().BoolVarP(target, "yes", "y", false, "do not ask")
}

// Output adds --output, which names how a result is written. It is a table unless the command line says otherwise.
func Output(cmd *cobra.Command, target *string) {
	*target = "table"
	Choice(cmd, cmd.Flags(), target, "output", "format", "table", "json")
}

// Choice adds to a command's flags one that takes one of some words. Its default is what target holds.
func Choice(cmd *cobra.Command, flags *pflag.FlagSet, target *string, name, usage string, words ...string) {
	flags.Var(&choice{target, words}, name, usage+": "+strings.Join(words, ", "))
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

type choice struct {
	target *string
	words  []string
}

func (c *choice) String() string { return *c.target }
func (c *choice) Type() string   { return "word" }
func (c *choice) Set(word string) error {
	if !slices.Contains(c.words, word) {
		return fmt.Errorf("must be one of %s", strings.Join(c.words, ", "))
	}
	*c.target = word
	return nil
}
