package cluster

import "testing"

// The model refuses what a linearizable store cannot answer.
func TestModel(t *testing.T) {
	for _, tt := range []struct {
		name string
		play func(h *History)
		ok   bool
	}{
		{"reads what was written", func(h *History) {
			h.begin(0, input{op: put, key: "k", value: "a"})(output{})
			h.begin(1, input{op: get, key: "k"})(output{value: "a"})
		}, true},
		{"stale read", func(h *History) {
			h.begin(0, input{op: put, key: "k", value: "a"})(output{})
			h.begin(0, input{op: put, key: "k", value: "b"})(output{})
			h.begin(1, input{op: get, key: "k"})(output{value: "a"})
		}, false},
		{"lost write", func(h *History) {
			h.begin(0, input{op: put, key: "k", value: "a"})(output{})
			h.begin(1, input{op: get, key: "k"})(output{})
		}, false},
		{"unknown write seen late", func(h *History) {
			h.begin(0, input{op: put, key: "k", value: "a"})(output{unknown: true})
			h.begin(1, input{op: get, key: "k"})(output{})
			h.begin(1, input{op: get, key: "k"})(output{value: "a"})
		}, true},
		{"unknown write seen and gone", func(h *History) {
			h.begin(0, input{op: put, key: "k", value: "a"})(output{unknown: true})
			h.begin(1, input{op: get, key: "k"})(output{value: "a"})
			h.begin(1, input{op: get, key: "k"})(output{})
		}, false},
		{"two winners", func(h *History) {
			first := h.begin(0, input{op: cas, key: "k", value: "a"})
			second := h.begin(1, input{op: cas, key: "k", value: "b"})
			first(output{ok: true})
			second(output{ok: true})
		}, false},
		{"keys are apart", func(h *History) {
			h.begin(0, input{op: put, key: "k", value: "a"})(output{})
			h.begin(1, input{op: get, key: "l"})(output{})
		}, true},
	} {
		var h History
		tt.play(&h)
		if err := h.Check(""); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
