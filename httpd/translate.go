package httpd

import (
	"muster/model"
	"muster/ops"
	"muster/relay"
)

// HeaderTranslate is sent along by an agent that wants the addresses of
// another datacenter as they are for callers from afar (translate_wan_addrs).
const HeaderTranslate = "X-Muster-Translate"

// askToTranslate marks a request that goes to another datacenter.
func (c *call) askToTranslate(need *relay.Need) {
	if c.wantsTranslation(*need) {
		c.r.Header.Set(HeaderTranslate, "1")
	}
}

func (c *call) wantsTranslation(need relay.Need) bool {
	return c.door.cfg.TranslateWAN && need.Datacenter != "" && need.Datacenter != c.door.cfg.Datacenter
}

// translates tells whether addresses are to be those for callers from afar.
func (c *call) translates() bool { return c.forwarded && c.r.Header.Get(HeaderTranslate) != "" }

// translated is a question whose answer has WAN addresses.
func translated[T any](qu ops.Question[T], render func(T) (*body, error)) (ops.Question[T], func(T) (*body, error)) {
	if qu.Key != "" {
		qu.Key += "\x00wan"
	}
	return qu, func(v T) (*body, error) { return render(model.ForWAN(v).(T)) }
}
