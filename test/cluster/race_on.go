//go:build race

package cluster

// raceDetector: hashicorp/raft 1.8.0 reads the ID of a server while it changes its
// address (updateLastAppended and startStopReplication). The ID stays the same.
const raceDetector = true
