package tool

import _ "bad/shell"
