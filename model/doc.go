// Package model holds the nouns of muster (Node, NodeService, HealthCheck,
// KVPair, Session, ...), the commands that change them, and the kinds of
// errors. Its comments are the specification of each noun and command.
//
// It imports nothing of ours, takes no locks and does no I/O. Values that came
// out of the state are shared by everybody and must not be modified: clone
// first.
package model
