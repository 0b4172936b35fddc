package syntax

import (
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	hcl := `data_dir = "x"
Ports {
  http = 1

  htp = 9
}
service {
  name = "a"
}
service {
  name = "b"
  prt = 80
  check "c" {
    bogus = 1
  }
}
services = [
  { name = "c" },
  {
    name = "d"
    nam = "e"
  },
]
node_meta {
  "a.b" = 1
}
`
	json := `{
  "data_dir": "x",
  "ports": {
    "http": 1,
    "htp": 9
  },
  "services": [
    {"name": "a"},
    {
      "name": "b",
      "prt": 80
    }
  ]
}`
	for _, c := range []struct {
		text, path string
		want       int
	}{
		{hcl, "data_dir", 1}, {hcl, "ports", 2}, {hcl, "ports.http", 3}, {hcl, "ports.htp", 5}, {hcl, "ports.none", 2},
		{hcl, "service[0].name", 8}, {hcl, "service[1].prt", 12}, {hcl, "service[1].check[0].c.bogus", 14}, {hcl, "service[1].check.c.bogus", 14},
		{hcl, "service[7].name", 0}, {hcl, "services[1].nam", 21}, {hcl, "services[0]", 18}, {hcl, "node_meta.a.b", 25}, {hcl, "none", 0}, {hcl, "", 0},
		{json, "data_dir", 2}, {json, "ports.htp", 5}, {json, "services[1].prt", 11}, {json, "services[0].name", 8}, {json, "none", 0},
		{"", "a", 0}, {"a = ", "a", 0}, {`{"a":`, "a", 1}, {`[`, "a", 0},
	} {
		format := "hcl"
		if strings.HasPrefix(c.text, "{") {
			format = "json"
		}
		if got := Line([]byte(c.text), format, c.path); got != c.want {
			t.Errorf("%s: line %d, want %d", c.path, got, c.want)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add([]byte(`a { b = 1 } a { b = [1, { c = 2 }] }`), "a[1].b[1].c")
	f.Add([]byte(`{"a": [{"b": {"c": 1}}]}`), "a[0].b.c")
	f.Add([]byte(`check "x" "y" { z = 1 }`), "check.x.y.z")
	f.Fuzz(func(t *testing.T, text []byte, path string) {
		for _, format := range []string{"hcl", "json"} {
			if line := Line(text, format, path); line < 0 || line > len(text)+1 {
				t.Errorf("%s: line %d of %d bytes", format, line, len(text))
			}
		}
	})
}
