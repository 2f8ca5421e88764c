// Command babelon manages and uses API tokens of a Supabase project.
package main

import (
	"os"

	"github.com/babelon/babelon/cli"
)

func main() {
	os.Exit(cli.Main())
}
