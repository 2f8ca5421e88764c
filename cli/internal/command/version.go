package command

import (
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
		RunE:    func(*cobra.Command, []string) error { return c.IO.Print(version() + "\n") },
	}
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "babelon (unknown)"
	}
	return "babelon " + info.Main.Version + " " + info.GoVersion
}
