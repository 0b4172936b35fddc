//go:build tools

package main

// What the client's own tests need to be compiled. Nothing here imports it
// otherwise; this keeps it in go.mod.
import (
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/hashicorp/consul/api/watch"
	_ "github.com/hashicorp/consul/sdk/testutil"
	_ "github.com/hashicorp/consul/sdk/testutil/retry"
	_ "github.com/stretchr/testify/require"
)
