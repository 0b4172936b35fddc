package httpd

func (c *call) statusLeader() error { return c.json(c.door.cfg.Ops.Leader()) }

func (c *call) statusPeers() error {
	peers, err := c.door.cfg.Ops.Peers()
	if err != nil {
		return err
	}
	return c.json(peers)
}
