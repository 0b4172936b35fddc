package process

import "testing"

func TestTail(t *testing.T) {
	for _, test := range []struct {
		writes []string
		want   string
	}{
		{nil, ""},
		{[]string{"ab", "cd"}, "abcd"},
		{[]string{"ab", "cdef"}, "Captured 4 of 6 bytes\n...\ncdef"},
		{[]string{"abc", "de", "f"}, "Captured 4 of 6 bytes\n...\ncdef"},
		{[]string{"abcdefgh", "i"}, "Captured 4 of 9 bytes\n...\nfghi"},
		{[]string{"abc", "de", "fgh", "ijk"}, "Captured 4 of 11 bytes\n...\nhijk"},
	} {
		tail := &Tail{Max: 4}
		for _, w := range test.writes {
			if n, err := tail.Write([]byte(w)); n != len(w) || err != nil {
				t.Errorf("Write = %d, %v", n, err)
			}
		}
		if got := tail.Report(); got != test.want {
			t.Errorf("%q: kept %q, want %q", test.writes, got, test.want)
		}
	}
}

func FuzzTail(f *testing.F) {
	f.Add(4, []byte("abcdefg"), 2)
	f.Fuzz(func(t *testing.T, size int, b []byte, step int) {
		if size < 0 || size > 1000 || step < 1 {
			return
		}
		out := Tail{Max: size}
		for rest := b; len(rest) > 0; {
			n := min(step, len(rest))
			out.Write(rest[:n])
			rest = rest[n:]
		}
		if want := string(b[max(0, len(b)-size):]); out.String() != want {
			t.Errorf("kept %q, want %q", out.String(), want)
		}
	})
}
