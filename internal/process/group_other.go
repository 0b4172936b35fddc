//go:build !unix

package process

import "os/exec"

// There are no groups here, nor a way to ask.
func ownGroup(*exec.Cmd)       {}
func terminateGroup(*exec.Cmd) {}
func killGroup(cmd *exec.Cmd)  { _ = cmd.Process.Kill() }
