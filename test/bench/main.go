// Command bench measures a Consul-compatible agent from the outside: it starts
// the given binary (one server or three), loads it over HTTP and DNS, and prints
// throughput, latency, CPU time spent by the server per operation and memory.
//
// CPU per operation is the figure to compare: it is far steadier than throughput
// on a small shared machine. -bin may be given several times (NAME=PATH): the
// programs then take turns, scenario by scenario, and the ratios are printed.
// The name "floor" needs no path: it is a bare net/http and UDP responder, the
// least that any Go server pays for the same request.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"
)

type binList []bin

type bin struct{ Name, Path string }

func (b *binList) String() string { return fmt.Sprint(*b) }
func (b *binList) Set(s string) error {
	name, path, ok := strings.Cut(s, "=")
	if !ok {
		name, path = s, s
	}
	*b = append(*b, bin{name, path})
	return nil
}

// A figure is one measured number of one scenario.
type figure struct {
	Scenario string  `json:"scenario"`
	Program  string  `json:"program"`
	Name     string  `json:"name"`
	Value    float64 `json:"value"`
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == "floor-server" {
		fmt.Fprintln(os.Stderr, "floor:", floorServer(os.Args[2], os.Args[3]))
		os.Exit(1)
	}
	var bins binList
	var (
		only   = flag.String("only", "", "comma-separated scenario names, a trailing * matching any ending; empty runs all")
		dur    = flag.Duration("dur", 4*time.Second, "length of each load phase")
		rounds = flag.Int("rounds", 1, "times each scenario is run per program; the median is kept")
		conns  = flag.Int("conns", 32, "concurrent client connections of a load phase")
		out    = flag.String("json", "", "write every figure to this file")
		list   = flag.Bool("list", false, "list the scenarios and exit")
		extra  = flag.String("hcl", "", "extra configuration handed to every agent with -hcl")
	)
	flag.Var(&bins, "bin", "NAME=PATH of a Consul-compatible binary (repeatable), or floor")
	flag.Parse()
	if *list {
		for _, s := range scenarios() {
			fmt.Printf("%-22s %s\n", s.Name, s.Doc)
		}
		return
	}
	if len(bins) == 0 {
		fail(2, errors.New("at least one -bin NAME=PATH is needed"))
	}
	opt := options{Dur: *dur, Conns: *conns, HCL: *extra}
	var figures []figure
	chosen, failures := 0, 0
	for _, s := range scenarios() {
		if !selected(s.Name, *only) {
			continue
		}
		chosen++
		m, failed := measure(s, bins, opt, *rounds)
		figures = append(figures, m.print(bins)...)
		failures += failed
	}
	if chosen == 0 {
		fail(2, fmt.Errorf("no scenario fits %q", *only))
	}
	if *out != "" {
		if err := writeFigures(*out, figures); err != nil {
			fail(1, err)
		}
	}
	if failures > 0 {
		fail(1, fmt.Errorf("%d runs failed", failures))
	}
}

func fail(code int, err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(code)
}

// measurements are all values of one scenario, by figure and program.
type measurements struct {
	scenario string
	names    []string // of the figures, in the order they came in
	values   map[string]map[string][]float64
}

// measure runs one scenario with each program in turn, and says how many of
// the runs failed.
func measure(s scenario, bins []bin, opt options, rounds int) (m measurements, failed int) {
	m = measurements{scenario: s.Name, values: map[string]map[string][]float64{}}
	for range rounds {
		for _, b := range bins {
			if b.Name == "floor" && !s.Floor {
				continue
			}
			fs, err := s.Run(b, opt)
			if err != nil {
				fmt.Printf("%-22s %-10s ERROR %v\n", s.Name, b.Name, err)
				failed++
				continue
			}
			for _, f := range fs {
				if m.values[f.Name] == nil {
					m.values[f.Name] = map[string][]float64{}
					m.names = append(m.names, f.Name)
				}
				m.values[f.Name][b.Name] = append(m.values[f.Name][b.Name], f.Value)
			}
		}
	}
	return m, failed
}

// print writes a line for each figure: the median of each program, and how the
// first program compares with it. It returns the medians.
func (m measurements) print(bins []bin) []figure {
	var figures []figure
	for _, name := range m.names {
		line := fmt.Sprintf("%-22s %-18s", m.scenario, name)
		var first float64
		for i, b := range bins {
			v, ok := median(m.values[name][b.Name])
			if !ok {
				line += fmt.Sprintf("  %s=-", b.Name)
				continue
			}
			figures = append(figures, figure{m.scenario, b.Name, name, v})
			line += fmt.Sprintf("  %s=%s", b.Name, short(v))
			if i == 0 {
				first = v
			} else if v != 0 {
				line += fmt.Sprintf(" (%s/%s %.2f)", bins[0].Name, b.Name, first/v)
			}
		}
		fmt.Println(line)
	}
	return figures
}

func writeFigures(path string, figures []figure) error {
	data, err := json.MarshalIndent(figures, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

func selected(name, only string) bool {
	if only == "" {
		return true
	}
	for _, p := range strings.Split(only, ",") {
		if prefix, ok := strings.CutSuffix(p, "*"); name == p || ok && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func median(v []float64) (float64, bool) {
	if len(v) == 0 {
		return 0, false
	}
	s := append([]float64(nil), v...)
	sort.Float64s(s)
	return s[len(s)/2], true
}

func short(v float64) string {
	switch {
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}
