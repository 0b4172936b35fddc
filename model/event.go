package model

// UserEvent is what an operator or a program fires through gossip.
type UserEvent struct {
	ID            string // UUID
	Name          string
	Payload       []byte
	NodeFilter    string // regular expressions; "" matches all
	ServiceFilter string
	TagFilter     string
	Version       int
	LTime         uint64 // Lamport time of the gossip layer
}
