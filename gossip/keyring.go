package gossip

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/serf/serf"

	"muster/internal/durable"
)

// KeyResult is what the members of a pool answered to a question about keys.
type KeyResult struct {
	Messages    map[string]string // by member; errors and warnings only
	Keys        map[string]int    // base64 key: how many members have it
	PrimaryKeys map[string]int    // base64 key: how many members encrypt with it
	NumNodes    int               // members asked
	NumResp     int               // members that answered
	NumErr      int               // members that answered with an error
}

// MaxRelayFactor is how many other members may relay an answer to make it
// more likely to arrive.
const MaxRelayFactor = 5

// ListKeys asks all members for their keys. Like the other questions about
// keys it waits for all, for some seconds at most; when one fails or does not
// answer, the error counts them and the result says why.
func (p *Pool) ListKeys(relay uint8) (KeyResult, error) {
	return keyResult(p.serf.KeyManager().ListKeysWithOptions(options(relay)))
}

// InstallKey gives all members a base64 key to decrypt with.
func (p *Pool) InstallKey(key string, relay uint8) (KeyResult, error) {
	return keyResult(p.serf.KeyManager().InstallKeyWithOptions(key, options(relay)))
}

// UseKey has all members encrypt with a key that they have.
func (p *Pool) UseKey(key string, relay uint8) (KeyResult, error) {
	return keyResult(p.serf.KeyManager().UseKeyWithOptions(key, options(relay)))
}

// RemoveKey takes a key from all members, which must not be the primary one.
func (p *Pool) RemoveKey(key string, relay uint8) (KeyResult, error) {
	return keyResult(p.serf.KeyManager().RemoveKeyWithOptions(key, options(relay)))
}

func options(relay uint8) *serf.KeyRequestOptions {
	return &serf.KeyRequestOptions{RelayFactor: min(relay, MaxRelayFactor)}
}

func keyResult(r *serf.KeyResponse, err error) (KeyResult, error) {
	return KeyResult{r.Messages, r.Keys, r.PrimaryKeys, r.NumNodes, r.NumResp, r.NumErr}, err
}

// openKeyring returns the keys to start with, nil for no encryption. The file
// wins over the configured key, since keys may have been rotated since.
func openKeyring(key, path string) (*memberlist.Keyring, error) {
	if path != "" {
		keys, err := readKeyring(path)
		if err != nil {
			return nil, fmt.Errorf("load keyring %s: %w", path, err)
		}
		if len(keys) > 0 {
			return memberlist.NewKeyring(keys, keys[0])
		}
	}
	if key == "" {
		return nil, nil
	}
	raw, err := decodeKey(key)
	if err != nil {
		return nil, err
	}
	if path != "" {
		if err := writeKeyring(path, key); err != nil {
			return nil, fmt.Errorf("write keyring: %w", err)
		}
	}
	return memberlist.NewKeyring([][]byte{raw}, raw)
}

// readKeyring returns the keys of a file, the primary one first; none when
// there is no file.
func readKeyring(path string) ([][]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeKeyring(text)
}

// decodeKeyring reads a JSON list of base64 keys.
func decodeKeyring(text []byte) ([][]byte, error) {
	var list []string
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("no keys in it")
	}
	keys := make([][]byte, len(list))
	for i, k := range list {
		raw, err := decodeKey(k)
		if err != nil {
			return nil, err
		}
		keys[i] = raw
	}
	return keys, nil
}

func decodeKey(key string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(key)
	if err == nil {
		err = memberlist.ValidateKey(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("invalid encryption key: %w", err)
	}
	return raw, nil
}

// writeKeyring makes a file with one key, readable by nobody else.
func writeKeyring(path, key string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent([]string{key}, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(path, text)
}
