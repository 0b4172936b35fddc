package shell

import _ "bad/middle"
