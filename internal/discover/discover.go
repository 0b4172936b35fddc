// Package discover finds the addresses of agents by asking clouds, clusters and
// the local network, as texts of retry_join say: "provider=aws tag_key=...".
package discover

import (
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"slices"
	"strings"
	"time"
)

// Timeout bounds one question to a provider.
const Timeout = 2 * time.Minute

// Provider finds the addresses ("host" or "host:port") of agents.
type Provider interface {
	Addrs(args map[string]string, logger *log.Logger) ([]string, error)
}

// known is a provider and the keys that it understands.
type known struct {
	Provider
	keys []string
}

// Is tells whether a text asks for discovery rather than being an address.
func Is(text string) bool {
	return strings.HasPrefix(text, "provider=") || strings.Contains(text, " provider=") || strings.HasPrefix(text, `"provider"=`)
}

// Addresses finds the addresses that a text asks for. The error says which
// providers there are, or which keys, when it names others.
func Addresses(ctx context.Context, text string, logger *log.Logger) ([]string, error) {
	return find(ctx, providers(ctx), text, logger)
}

// Check returns what is wrong with a text, as far as can be told without asking
// the provider.
func Check(text string) error {
	_, _, err := choose(providers(context.Background()), text)
	return err
}

func find(ctx context.Context, all map[string]known, text string, logger *log.Logger) ([]string, error) {
	p, args, err := choose(all, text)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, Timeout, fmt.Errorf("it did not answer within %s", Timeout))
	defer cancel()
	type result struct {
		addresses []string
		err       error
	}
	done := make(chan result, 1)
	// Most of the libraries behind it know no way to be stopped: what is not
	// waited for ends by the timeouts of its own.
	go func() {
		addresses, err := p.Addrs(args, logger)
		done <- result{addresses, err}
	}()
	select {
	case r := <-done:
		return r.addresses, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func choose(all map[string]known, text string) (Provider, map[string]string, error) {
	args, err := parse(text)
	if err != nil {
		return nil, nil, err
	}
	name := args["provider"]
	p, ok := all[name]
	if !ok {
		return nil, nil, fmt.Errorf("there is no provider %q: there are %s", name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	for _, key := range slices.Sorted(maps.Keys(args)) {
		if key != "provider" && !slices.Contains(p.keys, key) {
			return nil, nil, fmt.Errorf("provider %s knows no key %q: it knows %s", name, key, strings.Join(p.keys, ", "))
		}
	}
	return p, args, nil
}

// parse reads "key=value key=value". What holds spaces, quotes, backslashes or
// equals signs stands in double quotes, where a backslash quotes what follows.
func parse(text string) (map[string]string, error) {
	args := map[string]string{}
	rest := strings.TrimSpace(text)
	for rest != "" {
		key, after, err := word(rest)
		if err != nil {
			return nil, err
		}
		if key == "" || !strings.HasPrefix(after, "=") {
			return nil, fmt.Errorf("%q is not key=value", firstWord(rest))
		}
		value, after, err := word(after[1:])
		switch {
		case err != nil:
			return nil, err
		case after != "" && after[0] != ' ' && after[0] != '\t':
			return nil, fmt.Errorf("the value of %q must stand in double quotes, since it holds %q", key, after[:1])
		}
		if _, twice := args[key]; twice {
			return nil, fmt.Errorf("the key %q is given twice", key)
		}
		args[key] = value
		rest = strings.TrimSpace(after)
	}
	return args, nil
}

func firstWord(s string) string {
	if i := strings.IndexAny(s, " \t="); i > 0 {
		return s[:i]
	}
	return s
}

// word reads one word, quoted or not.
func word(s string) (w, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, " \t=\"")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], nil
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", errors.New("a double quote is not closed")
}

// Redact is a text without its secrets, for logs.
func Redact(text string) string {
	args, err := parse(text)
	if err != nil {
		return "provider=..." // it may hold anything
	}
	words := []string{"provider=" + args["provider"]}
	for _, key := range slices.Sorted(maps.Keys(args)) {
		switch {
		case key == "provider":
		case strings.Contains(key, "secret") || strings.Contains(key, "token") || strings.Contains(key, "password") || key == "access_key_id":
			words = append(words, key+"=hidden")
		default:
			words = append(words, key+"="+args[key])
		}
	}
	return strings.Join(words, " ")
}
