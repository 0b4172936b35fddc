package leaf

import (
	"testing"
	clock "time"
)

func TestSleep(t *testing.T) {
	inBubble(t, func() { clock.Sleep(clock.Second) })
	clock.Sleep(clock.Second)
}
