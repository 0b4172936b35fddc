package ops

import "muster/model"

// Lists of tags are kept as they came: none, or an empty one. Questions answer
// with empty ones; transactions, with what is kept.

func shownCheck(c *model.HealthCheck) *model.HealthCheck {
	if c.ServiceTags != nil {
		return c
	}
	shown := *c
	shown.ServiceTags = []string{}
	return &shown
}

func shownService(s *model.NodeService) *model.NodeService {
	if s.Tags != nil {
		return s
	}
	shown := *s
	shown.Tags = []string{}
	return &shown
}

func shownInstance(s *model.ServiceNode) *model.ServiceNode {
	if s.ServiceTags == nil {
		s.ServiceTags = []string{} // made for this answer: see model.NewServiceNode
	}
	return s
}

// shown applies one of the functions above to a list of the answer's own.
func shown[T any](list []T, f func(T) T) []T {
	for i, v := range list {
		list[i] = f(v)
	}
	return list
}
