package discover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

// machines finds agents among the machines of a project in Google's cloud
// (https://cloud.google.com/compute/docs/reference/rest/v1/instances/aggregatedList).
type machines struct {
	ctx context.Context
	api string // its URL
}

const (
	computeAPI = "https://compute.googleapis.com/compute/v1"
	// computeScope lets nothing be changed.
	computeScope = "https://www.googleapis.com/auth/compute.readonly"
	// machineListBytes bounds one answer, and machinePages how many there are.
	machineListBytes = 64 << 20
	machinePages     = 1000
)

// machineList is what is read of a list of machines, by zone ("zones/NAME").
type machineList struct {
	Items map[string]struct {
		Instances []struct {
			Status            string
			Tags              struct{ Items []string }
			NetworkInterfaces []struct{ NetworkIP string }
		}
	}
	NextPageToken string
}

// Addrs implements Provider.
func (m *machines) Addrs(args map[string]string, logger *log.Logger) ([]string, error) {
	zones, err := regexp.Compile("^(?:" + args["zone_pattern"] + ")$") // as the API's own filters match
	if err != nil {
		return nil, fmt.Errorf("zone_pattern: %w", err)
	}
	tokens, project, err := googleCredentials(m.ctx, args["credentials_file"])
	if err != nil {
		return nil, err
	}
	if p := args["project_name"]; p != "" {
		project = p
	}
	if project == "" {
		return nil, errors.New("the credentials do not say which project: set project_name")
	}
	client := oauth2.NewClient(m.ctx, tokens)
	query := url.Values{"maxResults": {"500"}}
	var addresses []string
	for range machinePages {
		list, err := m.list(client, project, query)
		if err != nil {
			return nil, err
		}
		for zone, of := range list.Items {
			if args["zone_pattern"] != "" && !zones.MatchString(strings.TrimPrefix(zone, "zones/")) {
				continue
			}
			for _, i := range of.Instances {
				if i.Status == "RUNNING" && slices.Contains(i.Tags.Items, args["tag_value"]) && len(i.NetworkInterfaces) > 0 && i.NetworkInterfaces[0].NetworkIP != "" {
					addresses = append(addresses, i.NetworkInterfaces[0].NetworkIP)
				}
			}
		}
		if list.NextPageToken == "" {
			slices.Sort(addresses) // zones come in no order
			logger.Printf("[DEBUG] project %q has %d machines with the tag", project, len(addresses))
			return addresses, nil
		}
		query.Set("pageToken", list.NextPageToken)
	}
	return nil, fmt.Errorf("there are more than %d pages of machines", machinePages)
}

func (m *machines) list(client *http.Client, project string, query url.Values) (*machineList, error) {
	req, err := http.NewRequestWithContext(m.ctx, http.MethodGet,
		m.api+"/projects/"+url.PathEscape(project)+"/aggregated/instances?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("list machines: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, machineListBytes))
	if err != nil {
		return nil, fmt.Errorf("list machines: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var said struct{ Error struct{ Message string } }
		_ = json.Unmarshal(body, &said) // what cannot be read says nothing
		return nil, fmt.Errorf("list machines of project %q: the API answers %s: %s", project, resp.Status, said.Error.Message)
	}
	list := new(machineList)
	if err := json.Unmarshal(body, list); err != nil {
		return nil, fmt.Errorf("list machines: %w", err)
	}
	return list, nil
}

// googleCredentials are those of a service account in a file, or what this
// machine has: the file that GOOGLE_APPLICATION_CREDENTIALS names, that of the
// tool gcloud, or the machine's own account. project is theirs, as far as known.
func googleCredentials(ctx context.Context, file string) (tokens oauth2.TokenSource, project string, err error) {
	if file == "" {
		c, err := google.FindDefaultCredentials(ctx, computeScope)
		if err != nil {
			return nil, "", fmt.Errorf("no credentials for Google's cloud: set credentials_file, or run on a machine there: %w", err)
		}
		return c.TokenSource, c.ProjectID, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, "", fmt.Errorf("credentials_file: %w", err)
	}
	account, err := google.JWTConfigFromJSON(text, computeScope)
	if err != nil {
		return nil, "", fmt.Errorf("credentials_file %s: %w", file, err)
	}
	var of struct {
		Project string `json:"project_id"`
	}
	if err := json.Unmarshal(text, &of); err != nil {
		return nil, "", fmt.Errorf("credentials_file %s: %w", file, err)
	}
	return account.TokenSource(ctx), of.Project, nil
}
