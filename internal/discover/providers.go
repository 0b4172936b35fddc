package discover

import (
	"context"

	"github.com/hashicorp/go-discover/provider/aws"
	"github.com/hashicorp/go-discover/provider/azure"
	"github.com/hashicorp/go-discover/provider/digitalocean"
	"github.com/hashicorp/go-discover/provider/mdns"
)

// providers are those that there are. What of go-discover weighs most is done
// anew here: k8s would take 35 MB for one request, and gce 5 ms and 5 MB at each
// start for another. Its others are left out: their SDKs have had no release for
// years.
func providers(ctx context.Context) map[string]known {
	return map[string]known{
		"aws": {&aws.Provider{}, []string{"access_key_id", "addr_type", "ecs_cluster", "ecs_family", "endpoint", "region",
			"secret_access_key", "service", "session_token", "tag_key", "tag_value"}},
		"azure": {&azure.Provider{}, []string{"client_id", "environment", "resource_group", "secret_access_key", "subscription_id",
			"tag_name", "tag_value", "tenant_id", "vm_scale_set"}},
		"digitalocean": {&digitalocean.Provider{}, []string{"api_token", "region", "tag_name"}},
		"gce":          {&machines{ctx, computeAPI}, []string{"credentials_file", "project_name", "tag_value", "zone_pattern"}},
		"k8s":          {&pods{ctx: ctx, service: inCluster}, []string{"field_selector", "host_network", "label_selector", "namespace"}},
		"mdns":         {&mdns.Provider{}, []string{"domain", "service", "timeout", "v4", "v6"}},
	}
}
