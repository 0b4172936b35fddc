package boot

import (
	"fmt"
	"os"
	"os/user"
	"strconv"

	"muster/config"
)

// own gives a socket file to the user and the group of the configuration, which
// are names or numbers.
func own(path string, s config.UnixSocket) error {
	if s.User == "" && s.Group == "" {
		return nil
	}
	uid, err := idOf("unix_sockets.user", s.User, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
	if err != nil {
		return err
	}
	gid, err := idOf("unix_sockets.group", s.Group, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
	if err != nil {
		return err
	}
	if err := os.Chown(path, uid, gid); err != nil {
		return fmt.Errorf("set owner of %s: %w", path, err)
	}
	return nil
}

// idOf is the number of a user or a group; -1 leaves it as it is.
func idOf(option, value string, lookup func(name string) (string, error)) (int, error) {
	if value == "" {
		return -1, nil
	}
	if n, err := strconv.Atoi(value); err == nil && n >= 0 {
		return n, nil
	}
	id, err := lookup(value)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", option, err)
	}
	n, err := strconv.Atoi(id)
	if err != nil {
		return 0, fmt.Errorf("%s: %s has no number here: %q", option, value, id)
	}
	return n, nil
}
