// Package state holds the replicated data: tables, Apply, queries with watch,
// snapshot and restore. It knows no clock, no randomness, no network and no
// Raft; the same commands in the same order give the same data everywhere.
//
// A Version is an immutable picture of all tables. Apply makes the next
// Version out of the current one by copy-on-write, publishes it, and fires the
// topics that changed. Who waits takes a Watch first and reads second, so that
// no change falls in between.
package state
