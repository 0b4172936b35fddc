package httpd

// Agent is what the door needs to know of the agent around it.
type Agent interface {
	// Datacenters are the names of all known, this one first, then by distance.
	Datacenters() []string
	// WANCoordinates is what /v1/coordinate/datacenters answers.
	WANCoordinates() any
}

func agentRoutes() []route { return nil }
