package config

import (
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Flags are the agent's flags. The zero value is no flags at all.
type Flags struct {
	Dev    bool
	Format string   // of -config-format: "", "hcl" or "json"
	Files  []string // of -config-file and -config-dir, in order: files and folders
	HCL    []string // of -hcl: fragments of configuration

	given map[string][]string // by key of the option
}

// AddFlags adds the agent's flags to a flag set and returns where their values
// go. Flags of lists repeat; of the others the last counts.
func AddFlags(fs *flag.FlagSet) *Flags {
	f := &Flags{given: map[string][]string{}}
	const files = "File or folder to read configuration from: .hcl and .json, a folder's in the order of their names. Repeats."
	add := func(list *[]string) func(string) error {
		return func(s string) error {
			*list = append(*list, s)
			return nil
		}
	}
	fs.Func("config-file", files, add(&f.Files))
	fs.Func("config-dir", files, add(&f.Files))
	fs.Func("hcl", "A fragment of configuration, in HCL. Repeats.", add(&f.HCL))
	fs.StringVar(&f.Format, "config-format", "", "Read all files in this format: hcl or json.")
	fs.BoolVar(&f.Dev, "dev", false, "Start one server in memory that elects itself, for development.")
	for _, o := range Options() {
		if o.Flag != "" {
			fs.Var(&flagValue{flags: f, option: o}, o.Flag, o.Doc)
		}
	}
	return f
}

// flagValue is one flag of the table.
type flagValue struct {
	flags  *Flags
	option Option
}

// IsBoolFlag tells the flag package that -server alone means -server=true.
func (v *flagValue) IsBoolFlag() bool { return v.option.Type == Bool }

func (v *flagValue) String() string {
	if v.flags == nil { // the flag package asks a zero value for the default
		return ""
	}
	return strings.Join(v.flags.given[v.option.Key], ",")
}

func (v *flagValue) Set(s string) error {
	var err error
	switch v.option.Type {
	case Bool:
		_, err = strconv.ParseBool(s)
	case Int:
		_, err = strconv.ParseInt(s, 0, 64)
	case Duration:
		_, err = time.ParseDuration(s)
	case Map:
		if k, _, ok := strings.Cut(s, ":"); !ok || k == "" {
			return errors.New("want key:value")
		}
	}
	if err != nil {
		return errors.New("parse error")
	}
	key := v.option.Key
	if v.option.Type == Strings || v.option.Type == Map {
		v.flags.given[key] = append(v.flags.given[key], s)
	} else {
		v.flags.given[key] = []string{s}
	}
	return nil
}

// layers are the flags that take lists, which come before all files, and the
// others, which come after them.
func (f *Flags) layers(rows map[string]*Option) (lists, scalars *layer, err error) {
	lists, scalars = newLayer(), newLayer()
	for _, key := range sortedKeys(f.given) {
		given, row := f.given[key], rows[key]
		switch row.Type {
		case Strings:
			lists.add(row, given)
		case Map:
			m := make(map[string]string, len(given))
			for _, s := range given {
				k, v, _ := strings.Cut(s, ":")
				m[k] = v
			}
			scalars.add(row, m)
		default:
			v, err := coerce(row.Type, key, given[len(given)-1])
			if err != nil {
				return nil, nil, fmt.Errorf("flag -%s: %w", row.Flag, err)
			}
			scalars.add(row, v)
		}
	}
	return lists, scalars, nil
}
