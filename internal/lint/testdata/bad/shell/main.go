package shell

import (
	_ "bad/middle"
	_ "bad/small/one"
	_ "bad/upper"
)
