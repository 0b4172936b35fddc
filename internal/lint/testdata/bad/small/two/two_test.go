package two

import _ "bad/small/kit"
