package upper_test

import _ "bad/beside"
