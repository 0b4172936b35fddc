package tool

import (
	"testing"
	"time"
)

func TestSleep(t *testing.T) { time.Sleep(time.Millisecond) }
