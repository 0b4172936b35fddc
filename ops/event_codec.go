package ops

import (
	"fmt"

	"muster/model"
	"muster/state"
)

// EncodeEvent makes the form in which an event travels by gossip. Its name
// travels beside it.
func EncodeEvent(ev *model.UserEvent) ([]byte, error) {
	e := *ev
	e.Name = ""
	return state.Pack(&e)
}

// DecodeEvent reads what EncodeEvent made, or another implementation.
func DecodeEvent(payload []byte) (*model.UserEvent, error) {
	var ev model.UserEvent
	if err := state.Unpack(payload, &ev); err != nil {
		return nil, fmt.Errorf("decode user event: %w", err)
	}
	return &ev, nil
}
