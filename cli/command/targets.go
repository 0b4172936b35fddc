package command

import (
	"flag"
	"regexp"
)

// Targets are the regular expressions that say which agents heed an event.
type Targets struct{ Node, Service, Tag string }

// Flags declares the flags for them.
func (t *Targets) Flags(f *flag.FlagSet) {
	f.StringVar(&t.Node, "node", "", "A regular `expression` for the names of the nodes.")
	f.StringVar(&t.Service, "service", "", "A regular `expression` for the name of a service that the nodes offer.")
	f.StringVar(&t.Tag, "tag", "", "A regular `expression` for a tag of that service; it needs -service.")
}

// Check returns what is wrong with the filters, or "".
func (t *Targets) Check() string {
	for _, filter := range []struct{ name, text string }{
		{"node", t.Node}, {"service", t.Service}, {"tag", t.Tag},
	} {
		if _, err := regexp.Compile(filter.text); err != nil {
			return "Failed to compile " + filter.name + " filter regexp: " + err.Error()
		}
	}
	if t.Tag != "" && t.Service == "" {
		return "Cannot provide tag filter without service filter."
	}
	return ""
}
