package httpd

import (
	"net/http"
	"strconv"
	"strings"

	"muster/model"
	"muster/ops"
)

// What may follow a query in the path.
const (
	suffixExecute = "/execute"
	suffixExplain = "/explain"
)

// isQueryID tells whether a name below /v1/query/ is that of a query alone, which
// can be changed, and not of what can be asked of it.
func isQueryID(name string) bool {
	return !strings.HasSuffix(name, suffixExecute) && !strings.HasSuffix(name, suffixExplain)
}

func (c *call) queryCreate() error {
	var q model.PreparedQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	id, err := c.door.cfg.Ops.QueryCreate(c.context(), c.q.Token, &q)
	if err != nil {
		return err
	}
	return c.json(struct{ ID string }{id})
}

func (c *call) queryUpdate() error {
	var q model.PreparedQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	q.ID = c.name // what the body says of it does not count
	if err := c.door.cfg.Ops.QueryUpdate(c.context(), c.q.Token, &q); err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

func (c *call) queryDelete() error {
	if err := c.door.cfg.Ops.QueryDelete(c.context(), c.q.Token, c.name); err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

func (c *call) queryList() error { return askList(c, c.door.cfg.Ops.Queries()) }

// queryGet shows a query, or runs or explains it.
func (c *call) queryGet() error {
	if name, ok := strings.CutSuffix(c.name, suffixExecute); ok {
		return c.queryExecute(name)
	}
	if name, ok := strings.CutSuffix(c.name, suffixExplain); ok {
		return c.queryExplain(name)
	}
	answer, meta, err := ask1(c, c.door.cfg.Ops.Query(c.name))
	if err != nil || answer.Query == nil {
		return c.noQuery(answer, err)
	}
	c.setMeta(meta)
	return c.json([]*model.PreparedQuery{answer.Query})
}

// ask1 asks a question whose answer is not shared, as it is.
func ask1[T any](c *call, qu ops.Question[T]) (T, ops.Meta, error) {
	return ops.Ask(c.context(), c.door.cfg.Ops, nil, &c.q, qu, func(v T) (ops.Rendered[T], error) {
		return ops.Rendered[T]{Value: v}, nil
	})
}

// noQuery answers where there is no query to show.
func (c *call) noQuery(answer ops.QueryAnswer, err error) error {
	switch {
	case err != nil:
		return err
	case answer.Err != nil:
		return answer.Err
	}
	return c.text(http.StatusNotFound, "Query not found")
}

func (c *call) asker() ops.Asker {
	from := ops.Asker{Node: c.node(), IP: c.callerIP(), Near: c.q.Near}
	return from
}

func (c *call) queryExplain(name string) error {
	c.q.MinIndex = 0
	answer, meta, err := ask1(c, c.door.cfg.Ops.Explain(name, c.asker()))
	if err != nil || answer.Query == nil {
		return c.noQuery(answer, err)
	}
	c.setMeta(ops.Meta{Index: 1, KnownLeader: meta.KnownLeader, LastContact: meta.LastContact, Mode: meta.Mode})
	return c.json(struct {
		Query *model.PreparedQuery
		queryMeta
	}{answer.Query, newQueryMeta(meta)})
}

// queryMeta is what answers about queries say in their body, besides the headers.
type queryMeta struct {
	Index            uint64
	LastContact      int64 // ns
	KnownLeader      bool
	ConsistencyLevel string
	NotModified      bool
}

func newQueryMeta(m ops.Meta) queryMeta {
	return queryMeta{LastContact: int64(m.LastContact), KnownLeader: m.KnownLeader, ConsistencyLevel: hModes[m.Mode][0]}
}

// queryResult is what running a query answers.
type queryResult struct {
	Service    string
	Nodes      []*model.CheckServiceNode
	DNS        model.QueryDNS
	Datacenter string
	Failovers  int
	queryMeta
}

// queryExecute runs a query. It never waits, and so has no index of its own.
func (c *call) queryExecute(name string) error {
	limit := 0
	if v := c.param("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			return model.Errorf(model.BadRequest, "Bad limit: %w", err)
		}
		limit = n
	}
	if v := c.param("connect"); v != "" {
		connect, err := strconv.ParseBool(v)
		if err != nil {
			return model.Errorf(model.BadRequest, "Error parsing 'connect' value: %w", err)
		}
		if connect {
			return model.Errorf(model.Unimplemented, "connect: there is no service mesh yet")
		}
	}
	c.q.MinIndex = 0
	x, meta, err := c.door.cfg.Ops.Execute(c.context(), name, c.asker(), limit, &c.q)
	if err != nil {
		return err
	}
	if x.Query == nil {
		return c.text(http.StatusNotFound, "Query not found")
	}
	c.setMeta(ops.Meta{Index: 1, KnownLeader: meta.KnownLeader, LastContact: meta.LastContact, Mode: meta.Mode})
	c.noteCached(false)
	if c.translates() {
		x.Nodes = model.ForWAN(x.Nodes).([]*model.CheckServiceNode)
	}
	return c.json(queryResult{Service: x.Query.Service.Service, Nodes: x.Nodes, DNS: x.Query.DNS, Datacenter: x.Datacenter,
		Failovers: x.Failovers, queryMeta: newQueryMeta(meta)})
}
