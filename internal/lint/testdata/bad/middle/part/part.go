package part

import (
	_ "bad/middle"
	_ "bad/upper"
)
