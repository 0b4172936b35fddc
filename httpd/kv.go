package httpd

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"muster/model"
	"muster/ops"
)

func (c *call) kvGet() error {
	key := c.name
	switch {
	case c.has("recurse"):
		return askWith(c, c.door.cfg.Ops.KVList(key), func(list []*model.KVPair) (*body, error) {
			return renderKV(list...), nil
		})
	case c.has("keys"):
		separator := c.param("separator")
		if separator == "" {
			separator = c.param("seperator") // sic: old clients
		}
		return askWith(c, c.door.cfg.Ops.KVKeys(key, separator), func(keys []string) (*body, error) {
			b, err := marshal(keys)
			return &body{json: b, missing: len(keys) == 0 && key != ""}, err
		})
	case key == "":
		return model.Errorf(model.BadRequest, "Missing key name")
	}
	if err := c.door.cfg.Ops.MayReadKey(c.q.Token, key); err != nil {
		return err
	}
	if c.has("raw") {
		return c.kvRaw(key)
	}
	return askWith(c, c.door.cfg.Ops.KVGet(key), func(p *model.KVPair) (*body, error) {
		if p == nil {
			return &body{missing: true}, nil
		}
		return renderKV(p), nil
	})
}

// kvRaw answers with the value alone. Browsers must not take it for a page of
// this origin (CVE-2020-25864 of the original).
func (c *call) kvRaw(key string) error {
	p, meta, err := ops.Ask(c.context(), c.door.cfg.Ops, nil, &c.q, c.door.cfg.Ops.KVGet(key),
		func(p *model.KVPair) (ops.Rendered[*model.KVPair], error) {
			return ops.Rendered[*model.KVPair]{Value: p}, nil
		})
	c.setMeta(meta)
	if err != nil {
		return err
	}
	if p == nil {
		return c.empty(http.StatusNotFound)
	}
	h := c.w.Header()
	h["Content-Type"] = hText
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox")
	return c.send(http.StatusOK, p.Value)
}

// renderKV writes entries by hand: reading a key is what is asked most.
func renderKV(list ...*model.KVPair) *body {
	if len(list) == 0 {
		return &body{missing: true}
	}
	n := 2
	for _, p := range list {
		n += 160 + len(p.Key) + base64.StdEncoding.EncodedLen(len(p.Value)) + len(p.Session)
	}
	b := make([]byte, 0, n)
	for i, p := range list {
		if i == 0 {
			b = append(b, '[')
		} else {
			b = append(b, ',')
		}
		b = appendKV(b, p)
	}
	return &body{json: append(b, ']')}
}

func appendKV(b []byte, p *model.KVPair) []byte {
	b = append(b, `{"LockIndex":`...)
	b = strconv.AppendUint(b, p.LockIndex, 10)
	b = append(b, `,"Key":`...)
	b = appendString(b, p.Key)
	b = append(b, `,"Flags":`...)
	b = strconv.AppendUint(b, p.Flags, 10)
	b = append(b, `,"Value":`...)
	if len(p.Value) == 0 {
		b = append(b, "null"...)
	} else {
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, p.Value)
		b = append(b, '"')
	}
	if p.Session != "" {
		b = append(b, `,"Session":`...)
		b = appendString(b, p.Session)
	}
	b = append(b, `,"CreateIndex":`...)
	b = strconv.AppendUint(b, p.CreateIndex, 10)
	b = append(b, `,"ModifyIndex":`...)
	b = strconv.AppendUint(b, p.ModifyIndex, 10)
	return append(b, '}')
}

// appendString writes a JSON string; what needs escapes is left to the library.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			q, _ := json.Marshal(s)
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// conflicting refuses parameters that contradict each other.
func (c *call) conflicting(params ...string) error {
	n := 0
	for _, p := range params {
		if c.has(p) {
			n++
		}
	}
	if n > 1 {
		return model.Errorf(model.BadRequest, "Conflicting flags: %s", c.r.URL.RawQuery)
	}
	return nil
}

func (c *call) kvPut() error {
	if c.name == "" {
		return model.Errorf(model.BadRequest, "Missing key name")
	}
	if err := c.conflicting("cas", "acquire", "release"); err != nil {
		return err
	}
	cmd := model.KVCommand{Op: model.KVSet, DirEnt: model.KVPair{Key: c.name}}
	if err := c.uint("flags", &cmd.DirEnt.Flags); err != nil {
		return err
	}
	switch {
	case c.has("cas"):
		cmd.Op = model.KVCAS
		if err := c.uint("cas", &cmd.DirEnt.ModifyIndex); err != nil {
			return err
		}
	case c.has("acquire"):
		cmd.Op, cmd.DirEnt.Session = model.KVLock, c.param("acquire")
	case c.has("release"):
		cmd.Op, cmd.DirEnt.Session = model.KVUnlock, c.param("release")
	}
	value, err := c.body(c.door.cfg.Ops.Limits().KVValue, "kv_max_value_size")
	if err != nil {
		return err
	}
	cmd.DirEnt.Value = value
	return c.kvApply(&cmd)
}

func (c *call) kvDelete() error {
	if err := c.conflicting("recurse", "cas"); err != nil {
		return err
	}
	cmd := model.KVCommand{Op: model.KVDelete, DirEnt: model.KVPair{Key: c.name}}
	switch {
	case c.has("recurse"):
		cmd.Op = model.KVDeleteTree
	case c.name == "":
		return model.Errorf(model.BadRequest, "Missing key name")
	case c.has("cas"):
		cmd.Op = model.KVDeleteCAS
		if err := c.uint("cas", &cmd.DirEnt.ModifyIndex); err != nil {
			return err
		}
	}
	return c.kvApply(&cmd)
}

func (c *call) kvApply(cmd *model.KVCommand) error {
	done, err := c.door.cfg.Ops.KVApply(c.context(), c.q.Token, cmd)
	if err != nil {
		return err
	}
	return c.json(done)
}

// uint reads a parameter that is a number, when it is given.
func (c *call) uint(param string, into *uint64) error {
	v := c.param(param)
	if v == "" && !c.has(param) {
		return nil
	}
	n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 64)
	if err != nil {
		return err
	}
	*into = n
	return nil
}
