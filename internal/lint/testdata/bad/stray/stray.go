package stray

import _ "bad/base"
