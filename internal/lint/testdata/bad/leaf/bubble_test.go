package leaf

import (
	"testing"
	"testing/synctest"
	"time"
)

func inBubble(t *testing.T, f func()) {
	synctest.Test(t, func(*testing.T) {
		time.Sleep(time.Second)
		f()
	})
}
