package cli

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"muster/cli/command"
	"muster/internal/archive"
)

type snapshotInspect struct {
	format, kvFilter string
	kvDetails        bool
	kvDepth          int
}

func (s *snapshotInspect) Doc() command.Doc {
	return command.Doc{
		Usage:    "snapshot inspect [options] FILE",
		Synopsis: "Show what is in a snapshot",
		Text: `
Prints what a snapshot is of, and how much of what it holds. It asks no agent.

    $ muster snapshot inspect backup.snap
    $ muster snapshot inspect -kvdetails -kvdepth=1 backup.snap`,
	}
}

func (s *snapshotInspect) Flags(f *flag.FlagSet) {
	formatVar(f, &s.format)
	f.IntVar(&s.kvDepth, "kvdepth", 2, "The `number` of parts of a key, between slashes, that -kvdetails sums up by.")
	f.BoolVar(&s.kvDetails, "kvdetails", false, "Print how much is under which keys as well.")
	f.StringVar(&s.kvFilter, "kvfilter", "", "A `prefix` of the keys that -kvdetails counts.")
}

func (s *snapshotInspect) Run(c *command.Call) int {
	if !knownFormat(c, s.format) {
		return command.ExitError
	}
	name, ok := fileArg(c)
	if !ok {
		return command.ExitError
	}
	meta, state, err := readSnapshot(name)
	if err != nil {
		return c.Fail("Error %s", err)
	}
	defer state.Close()
	contents, err := s.count(state)
	if err != nil {
		return c.Fail("Error extracting snapshot data: %s", err)
	}
	contents.Meta = inspectedMeta{meta.ID, meta.Size, meta.Index, meta.Term, meta.Version}
	if s.format == formatJSON {
		return c.JSON(contents, "   ")
	}
	io.WriteString(c.Stdout, contents.pretty(s.kvDetails))
	return 0
}

// inspected is what -format=json prints.
type inspected struct {
	Meta        inspectedMeta
	Stats       []amount
	StatsKV     []amount
	TotalSize   int64
	TotalSizeKV int64
}

type inspectedMeta struct {
	ID      string
	Size    int64
	Index   uint64
	Term    uint64
	Version int
}

// amount is how many records there are of a sort, and their size in bytes.
type amount struct {
	Name  string
	Sum   int64
	Count int
}

func (s *snapshotInspect) count(state io.Reader) (*inspected, error) {
	_, records, err := archive.Records(state)
	if err != nil {
		return nil, err
	}
	byType, byKey := map[string]*amount{}, map[string]*amount{}
	add := func(to map[string]*amount, name string, size int64) {
		if to[name] == nil {
			to[name] = &amount{Name: name}
		}
		to[name].Sum += size
		to[name].Count++
	}
	found := &inspected{}
	for r, err := range records {
		if err != nil {
			return nil, err
		}
		size := int64(1 + len(r.Data))
		found.TotalSize += size
		add(byType, archive.TypeName(r.Type), size)
		if !s.kvDetails || r.Type != recordKVS {
			continue
		}
		var entry struct{ Key string }
		if err := r.Decode(&entry); err != nil {
			return nil, fmt.Errorf("decode key: %w", err)
		}
		if strings.HasPrefix(entry.Key, s.kvFilter) {
			found.TotalSizeKV += size
			add(byKey, s.keyGroup(entry.Key), size)
		}
	}
	found.Stats, found.StatsKV = sorted(byType), sorted(byKey)
	return found, nil
}

// keyGroup is the first parts of the key.
func (s *snapshotInspect) keyGroup(key string) string {
	parts := strings.Split(key, "/")
	return strings.Join(parts[:min(max(s.kvDepth, 1), len(parts))], "/")
}

// sorted puts the largest first.
func sorted(amounts map[string]*amount) []amount {
	var list []amount
	for _, name := range slices.Sorted(maps.Keys(amounts)) {
		list = append(list, *amounts[name])
	}
	slices.SortStableFunc(list, func(a, b amount) int { return cmp.Compare(b.Sum, a.Sum) })
	return list
}

func (i *inspected) pretty(kvDetails bool) string {
	var b strings.Builder
	for _, row := range []struct {
		name  string
		value any
	}{
		{"ID", i.Meta.ID}, {"Size", i.Meta.Size}, {"Index", i.Meta.Index},
		{"Term", i.Meta.Term}, {"Version", i.Meta.Version},
	} {
		fmt.Fprintf(&b, " %-13s%v\n", row.name, row.value)
	}
	writeAmounts(&b, "Type", i.Stats, i.TotalSize)
	if kvDetails {
		writeAmounts(&b, "Key Name", i.StatsKV, i.TotalSizeKV)
	}
	return b.String()
}

func writeAmounts(b *strings.Builder, title string, amounts []amount, total int64) {
	const gap = 6
	wide, counts := utf8.RuneCountInString(title), len("Count")
	for _, a := range amounts {
		wide = max(wide, utf8.RuneCountInString(a.Name))
		counts = max(counts, len(strconv.Itoa(a.Count)))
	}
	row := func(name, count, size string) {
		fmt.Fprintf(b, " %-*s%-*s%s\n", wide+gap, name, counts+gap, count, size)
	}
	b.WriteByte('\n')
	row(title, "Count", "Size")
	row("----", "----", "----")
	for _, a := range amounts {
		row(a.Name, strconv.Itoa(a.Count), byteSize(a.Sum))
	}
	row("----", "----", "----")
	row("Total", "", byteSize(total))
}

// byteSize writes 2663 as 2.6KB.
func byteSize(n int64) string {
	const step = 1024
	if n < step {
		return strconv.FormatInt(n, 10) + "B"
	}
	size, unit := float64(n)/step, 0
	units := [...]string{"KB", "MB", "GB", "TB"}
	for size >= step && unit < len(units)-1 {
		size /= step
		unit++
	}
	return strings.TrimSuffix(strconv.FormatFloat(size, 'f', 1, 64), ".0") + units[unit]
}

const recordKVS = 2
