package leaf

import (
	_ "bad/base"
	_ "example.com/lib/sub"
	_ "example.com/named"
)

func init() { long() }

func long() {
	_ = 1
	_ = 2
	_ = 3
	_ = 4
	_ = 5
	_ = 6
	_ = 7
	_ = 8
}
