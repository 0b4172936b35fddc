// Command muster is an agent that keeps a catalog of services, and the
// command line to it.
package main

import (
	"os"

	"muster/cli"
)

func main() {
	os.Exit(cli.Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
