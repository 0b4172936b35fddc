package command

import (
	"testing"

	"github.com/posener/complete"

	"github.com/hashicorp/cli"
)

func TestAutocomplete(t *testing.T) {
	group := Adapt(&Group{Name: "kv", Synopsis: "s", Text: "t"}, World{}).(cli.CommandAutocomplete)
	if files := group.AutocompleteArgs(); files != nil && len(files.Predict(complete.Args{})) > 0 {
		t.Error("files are offered to a group")
	}
	file := Adapt(fileCommand{}, World{}).(cli.CommandAutocomplete)
	if got := file.AutocompleteArgs().Predict(complete.Args{}); len(got) == 0 {
		t.Error("no files are offered")
	}
	if flags := file.AutocompleteFlags(); flags["-http-addr"] == nil || flags["-stale"] != nil {
		t.Errorf("flags %v", flags)
	}
}

type fileCommand struct{ NoFlags }

func (fileCommand) Doc() Doc      { return Doc{Usage: "read FILE", Groups: HTTP} }
func (fileCommand) Run(*Call) int { return 0 }
