package upper

import _ "bad/middle"

type T struct{}

func (T) init() {}
