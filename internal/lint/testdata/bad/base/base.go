package base

import _ "bad/middle"
