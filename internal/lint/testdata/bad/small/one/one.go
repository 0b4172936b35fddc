package one

import _ "bad/small/two"
