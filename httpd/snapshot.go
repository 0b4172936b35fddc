package httpd

import (
	"io"
	"net/http"
	"strconv"
)

func (c *call) snapshotSave() error {
	return c.door.cfg.Ops.SnapshotSave(c.context(), &c.q, func(index uint64) io.Writer {
		c.setContact(c.door.cfg.Ops.Meta(c.q.Mode))
		h := c.w.Header()
		h.Set("Content-Type", "application/x-gzip")
		h["X-Consul-Index"] = []string{strconv.FormatUint(index, 10)}
		c.wrote = true
		c.w.WriteHeader(http.StatusOK)
		return c.w
	})
}

func (c *call) snapshotRestore() error {
	if err := c.door.cfg.Ops.SnapshotRestore(c.context(), c.q.Token, c.r.Body); err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}
