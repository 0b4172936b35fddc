package discover

import "context"

// providers are those that there are.
func providers(ctx context.Context) map[string]known {
	return map[string]known{
		"k8s": {&pods{ctx: ctx, service: inCluster}, []string{"field_selector", "host_network", "label_selector", "namespace"}},
	}
}
