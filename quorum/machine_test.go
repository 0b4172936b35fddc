package quorum

import (
	"bytes"
	"encoding/gob"
	"io"
	"sync"
)

// A machine is a StateMachine that remembers what it was told, in order.
type machine struct {
	mu      sync.Mutex
	told    []string
	indexes []uint64
	batches int
}

func (m *machine) Apply(batch []Entry) []any {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batches++
	results := make([]any, len(batch))
	for i, e := range batch {
		m.told = append(m.told, string(e.Data))
		m.indexes = append(m.indexes, e.Index)
		results[i] = "did " + string(e.Data)
	}
	return results
}

func (m *machine) Snapshot() (Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return machineSnapshot(m.told[:len(m.told):len(m.told)]), nil
}

func (m *machine) Restore(r io.Reader) error {
	var told []string
	if err := gob.NewDecoder(r).Decode(&told); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told, m.indexes = told, nil
	return nil
}

func (m *machine) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.told...)
}

type machineSnapshot []string

func (s machineSnapshot) Persist(w io.Writer) error {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode([]string(s)); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (s machineSnapshot) Release() {}
