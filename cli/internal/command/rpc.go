package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/babelon/babelon/cli/internal/connect"
	"github.com/babelon/babelon/cli/internal/fault"
	"github.com/babelon/babelon/cli/internal/term"
)

// maxData is more than gateways accept.
const maxData = 16 << 20

type rpcOptions struct{ schema, function, data string }

func newRPC(c *connect.Connector) *cobra.Command {
	var o rpcOptions
	cmd := &cobra.Command{
		Use:   "rpc FUNCTION",
		Short: "Call any function of the project",
		Long: `Calls a function of an exposed schema and prints the answer as it came. The caller is the configured pair, else the
person who is signed in. The call is made once; it is not repeated when the network fails.`,
		Example: `  babelon rpc my_function --data '{"argument": 1}'
  babelon rpc my_function --data @arguments.json
  generate-arguments | babelon rpc my_function --data -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.function = args[0]
			return rpc(cmd.Context(), c, o)
		},
	}
	cmd.Flags().StringVar(&o.schema, "schema", "public", "the function's `schema`")
	cmd.Flags().StringVar(&o.data, "data", "{}", "its arguments: a JSON `object`, @file, or - for standard input")
	return cmd
}

func rpc(ctx context.Context, c *connect.Connector, o rpcOptions) error {
	arguments, err := term.Await(ctx, func() (json.RawMessage, error) { return readData(c.IO.In, o.data) })
	if err != nil {
		return err
	}
	caller, err := c.PairFirst(ctx)
	if err != nil {
		return err
	}
	answer, err := caller.RPC(ctx, o.schema, o.function, arguments)
	if err != nil {
		return err
	}
	if c.IO.IsTerminal && len(answer) > 0 && !bytes.HasSuffix(answer, []byte("\n")) {
		answer = append(answer, '\n')
	}
	return c.IO.Print(string(answer))
}

// readData returns the arguments that --data means.
func readData(stdin io.Reader, data string) (json.RawMessage, error) {
	var from io.Reader = strings.NewReader(data)
	switch path, isFile := strings.CutPrefix(data, "@"); {
	case data == "-":
		from = stdin
	case isFile:
		file, err := os.Open(path)
		if err != nil {
			return nil, fault.Usagef("", "--data: %w", err)
		}
		defer file.Close()
		from = file
	}
	text, err := io.ReadAll(io.LimitReader(from, maxData+1))
	if err != nil {
		return nil, fmt.Errorf("reading --data: %w", err)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil || len(text) > maxData {
		return nil, fault.Usagef("", "--data must be a JSON object of at most %d MiB", maxData>>20)
	}
	return text, nil
}
