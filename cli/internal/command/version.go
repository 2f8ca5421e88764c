package command

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/connect"
)

func newVersion(c *connect.Connector) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version",
		Long:    "Shows the version of babelon, and of the Go that built it.",
		Example: "  babelon version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				return c.IO.Print("babelon (unknown)\n")
			}
			return c.IO.Print(fmt.Sprintf("babelon %s %s\n", info.Main.Version, info.GoVersion))
		},
	}
}
