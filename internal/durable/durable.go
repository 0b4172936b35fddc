// Package durable writes small files so that a crash, of the process or of the
// machine, leaves the old one or the new one, and never a part.
package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// TempSuffix ends the names of files that are being written. A crash may leave
// one behind; the next write of the same file replaces it.
const TempSuffix = ".tmp"

// WriteFile replaces a file as a whole, readable by its owner alone. When it
// returns without an error the new file outlives a crash of the machine; after
// an error the old one may be there or the new one.
func WriteFile(path string, content []byte) error {
	if err := Replace(path, content, true); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Replace replaces a file as a whole, or leaves it as it is and returns an
// error. With sync the content outlives a crash of the machine once it has
// returned; the name does once SyncDir has returned for its folder.
func Replace(path string, content []byte, sync bool) error {
	temp := path + TempSuffix
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil && sync {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}

// SyncDir makes the names in a folder outlive a crash of the machine, where
// the system can sync a folder.
func SyncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}
