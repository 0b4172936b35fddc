package middle

import (
	_ "bad/base"
	_ "bad/leaf"
	_ "bad/middle/part"
	_ "bad/test/tool"
)
