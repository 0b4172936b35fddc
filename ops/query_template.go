package ops

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"muster/model"
)

// A queryTemplate is a prepared query whose texts hold places for parts of the
// name that was asked for.
type queryTemplate struct {
	query  *model.PreparedQuery
	regexp *regexp.Regexp // nil if there is none
}

// compileQuery reads the places in all texts of a query. Only those of a
// template mean something.
func compileQuery(q *model.PreparedQuery) (*queryTemplate, error) {
	t := &queryTemplate{query: q}
	switch q.Template.Type {
	case "":
		if q.Template.Regexp != "" {
			return nil, fmt.Errorf("Template.Regexp needs Template.Type %q", model.QueryTemplatePrefix)
		}
		return t, nil
	case model.QueryTemplatePrefix:
	default:
		return nil, fmt.Errorf("Bad Template.Type '%s'", q.Template.Type) //lint:ignore ST1005 text of the API
	}
	if q.Template.Regexp != "" {
		re, err := regexp.Compile(q.Template.Regexp)
		if err != nil {
			return nil, fmt.Errorf("Bad Regexp: %w", err) //lint:ignore ST1005 text of the API
		}
		t.regexp = re
	}
	_, err := t.render("", "")
	return t, err
}

// render returns the query as it is for a name, on behalf of an agent in a
// network segment.
func (t *queryTemplate) render(name, segment string) (*model.PreparedQuery, error) {
	q := t.query.Clone()
	if !q.IsTemplate() {
		return q, nil
	}
	v := &templateValues{full: name, segment: segment}
	if prefix := strings.ToLower(q.Name); strings.HasPrefix(strings.ToLower(name), prefix) {
		if len(strings.ToLower(name)) != len(name) {
			v.full = strings.ToLower(name) // so that the prefix ends where it does there
		}
		v.prefix, v.suffix = v.full[:len(prefix)], v.full[len(prefix):]
	}
	if t.regexp != nil {
		v.groups = t.regexp.FindStringSubmatch(v.full)
	}
	if err := eachText(&q.Service, v.expand); err != nil {
		return nil, err
	}
	if q.Template.RemoveEmptyTags {
		q.Service.Tags = keep(q.Service.Tags, func(tag string) bool { return tag != "" })
	}
	return q, nil
}

// maxCompiled is how many compiled queries are kept.
const maxCompiled = 1024

// compiledQueries keeps prepared queries compiled. What is in the state never
// changes, so that the pointer says which version of a query is meant.
type compiledQueries struct {
	mu  sync.Mutex
	all map[*model.PreparedQuery]*queryTemplate // guarded by mu
}

func (c *compiledQueries) of(q *model.PreparedQuery) (*queryTemplate, error) {
	c.mu.Lock()
	t := c.all[q]
	c.mu.Unlock()
	if t != nil {
		return t, nil
	}
	t, err := compileQuery(q)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil || len(c.all) >= maxCompiled {
		c.all = map[*model.PreparedQuery]*queryTemplate{}
	}
	c.all[q] = t
	return t, nil
}

// eachText replaces every text of a query's service.
func eachText(s *model.QueryService, change func(string) (string, error)) error {
	fields := []*string{&s.Service, &s.Near}
	for _, list := range [][]string{s.Failover.Datacenters, s.IgnoreCheckIDs, s.Tags} {
		for i := range list {
			fields = append(fields, &list[i])
		}
	}
	for i := range s.Failover.Targets {
		fields = append(fields, &s.Failover.Targets[i].Datacenter, &s.Failover.Targets[i].Peer)
	}
	for _, field := range fields {
		text, err := change(*field)
		if err != nil {
			return err
		}
		*field = text
	}
	for _, meta := range []map[string]string{s.NodeMeta, s.ServiceMeta} {
		for k, v := range meta {
			text, err := change(v)
			if err != nil {
				return err
			}
			meta[k] = text
		}
	}
	return nil
}

// templateValues are what stands for the places of a template.
type templateValues struct {
	full, prefix, suffix, segment string
	groups                        []string // of the expression; nil if it does not match
}

// maxExpanded bounds a text whose places were filled, in bytes: a name may
// stand in many of them.
const maxExpanded = 64 << 10

// expand fills the places of a text. $${ stands for ${.
func (v *templateValues) expand(text string) (string, error) {
	var b strings.Builder
	for rest := text; ; {
		i := strings.Index(rest, "${")
		if i < 0 {
			b.WriteString(rest)
			return b.String(), nil
		}
		if i > 0 && rest[i-1] == '$' {
			b.WriteString(rest[:i-1])
			b.WriteString("${")
			rest = rest[i+2:]
			continue
		}
		b.WriteString(rest[:i])
		place, after, closed := strings.Cut(rest[i+2:], "}")
		if !closed {
			return "", fmt.Errorf("%q: a ${ has no }", text)
		}
		value, err := v.value(strings.TrimSpace(place))
		if err != nil {
			return "", fmt.Errorf("%q: %w", text, err)
		}
		if b.Len()+len(value) > maxExpanded {
			return "", fmt.Errorf("%.20q...: becomes longer than %d bytes", text, maxExpanded)
		}
		b.WriteString(value)
		rest = after
	}
}

func (v *templateValues) value(place string) (string, error) {
	switch place {
	case "name.full":
		return v.full, nil
	case "name.prefix":
		return v.prefix, nil
	case "name.suffix":
		return v.suffix, nil
	case "agent.segment":
		return v.segment, nil
	}
	arg, isMatch := strings.CutPrefix(place, "match(")
	arg, isCall := strings.CutSuffix(arg, ")")
	if !isMatch || !isCall {
		return "", fmt.Errorf("unknown variable %q: there are name.full, name.prefix, name.suffix, match(N) and agent.segment", place)
	}
	n, err := strconv.Atoi(strings.TrimSpace(arg))
	if err != nil {
		return "", fmt.Errorf("match(%s): must be the number of a group", arg)
	}
	if n < 0 || n >= len(v.groups) {
		return "", nil // as what does not match
	}
	return v.groups[n], nil
}
