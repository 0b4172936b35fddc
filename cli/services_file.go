package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/hcl"
)

// A definition is a service as a configuration file holds it: what the API
// takes, under names like "enable_tag_override", and the token to register
// with.
type definition struct {
	api.AgentServiceRegistration `mapstructure:",squash"`
	// Check and Checks stand in the place of the registration's.
	Check  *checkDefinition   `mapstructure:"-"`
	Checks []*checkDefinition `mapstructure:"-"`
	Token  string             `json:"-"`
}

// A checkDefinition is a check of a service: what the client library has of
// it, and what agents take besides.
type checkDefinition struct {
	api.AgentServiceCheck `mapstructure:",squash"`
	// ID is what files call CheckID.
	ID               string `json:"-"`
	DisableRedirects bool   `json:",omitempty"`
	OSService        string `json:",omitempty"`
	OutputMaxSize    int    `json:",omitempty"`
}

func (d *definition) id() string { return cmp.Or(d.ID, d.Name) }

// readServices reads the services that the files define under "service" and
// "services". What else the files configure does not matter here.
func readServices(paths []string) ([]*definition, error) {
	var all []*definition
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		found, err := parseServices(data, filepath.Ext(path) == ".json")
		if err != nil {
			return nil, fmt.Errorf("failed to parse %s: %w", path, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

func parseServices(data []byte, isJSON bool) ([]*definition, error) {
	file := map[string]any{}
	var err error
	if isJSON {
		err = json.Unmarshal(data, &file)
	} else {
		err = hcl.Unmarshal(data, &file)
	}
	if err != nil {
		return nil, err
	}
	var all []*definition
	for _, key := range []string{"service", "services"} {
		for _, raw := range objects(file[key]) {
			d, err := decodeService(raw)
			if err != nil {
				return nil, err
			}
			if d.Name == "" {
				return nil, fmt.Errorf("a service has no name")
			}
			all = append(all, d)
		}
	}
	return all, nil
}

// objects are the objects of a value that is one object or a list of them.
func objects(v any) []map[string]any {
	switch v := v.(type) {
	case map[string]any:
		return []map[string]any{v}
	case []map[string]any:
		return v
	case []any:
		var all []map[string]any
		for _, x := range v {
			all = append(all, objects(x)...)
		}
		return all
	}
	return nil
}

func decodeService(raw map[string]any) (*definition, error) {
	service, checks := map[string]any{}, map[string]any{}
	for key, value := range raw {
		if strings.EqualFold(key, "check") || strings.EqualFold(key, "checks") {
			checks[key] = value
		} else {
			service[key] = value
		}
	}
	var defined struct {
		Check  *checkDefinition
		Checks []*checkDefinition
	}
	if err := decodeStrictly(checks, &defined); err != nil {
		return nil, err
	}
	for _, check := range append(slices.Clone(defined.Checks), defined.Check) {
		if check != nil && check.ID != "" {
			check.CheckID = check.ID
		}
	}
	d := &definition{}
	if err := decodeStrictly(service, d); err != nil {
		return nil, err
	}
	d.Check, d.Checks = defined.Check, defined.Checks
	return d, nil
}

func decodeStrictly(raw map[string]any, to any) error {
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:           to,
		RootName:         "service",
		ErrorUnused:      true,
		WeaklyTypedInput: true,
		DecodeHook:       onlyObject,
		MatchName: func(key, field string) bool {
			return strings.EqualFold(strings.ReplaceAll(key, "_", ""), field)
		},
	})
	if err != nil {
		return err
	}
	return decoder.Decode(raw)
}

// onlyObject takes the object out of the list that HCL makes of every block,
// where one object is wanted.
func onlyObject(from, to reflect.Type, data any) (any, error) {
	for to.Kind() == reflect.Pointer {
		to = to.Elem()
	}
	if to.Kind() != reflect.Struct && to.Kind() != reflect.Map {
		return data, nil
	}
	if list, ok := data.([]map[string]any); ok && len(list) == 1 {
		return list[0], nil
	}
	return data, nil
}
