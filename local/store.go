package local

import (
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"muster/internal/durable"
)

const (
	journalName    = "registrations.log"
	oldJournalName = "registrations.log.old"
	// asideSuffix ends the name of a file that could not be read.
	asideSuffix = ".unreadable"

	// Files are written this long after they changed first, or when the journal
	// has grown to this many bytes. A file costs as much as some hundred records,
	// and most files that change do so again.
	flushDelay   = 5 * time.Minute
	journalLimit = 16 << 20
)

// A store keeps small files. What is asked of it goes into a journal first,
// where all changes of a moment share one write and one sync; the files follow
// some minutes later, each at most once for however many changes. After a crash
// the journal makes up for what was not written.
//
// A nil store keeps nothing.
type store struct {
	dir    string
	logger hclog.Logger
	seed   maphash.Seed

	writer sync.WaitGroup
	wake   chan struct{} // there is something in queue, or to sync
	quit   chan struct{}

	mu      sync.Mutex
	told    *sync.Cond        // synced or failures has moved
	files   map[string]uint64 // what each file will say, as a hash
	queue   []byte            // records to be written
	queued  uint64            // records ever asked for
	wanted  uint64            // of those, somebody waits for this many
	synced  uint64            // and this many would outlive a crash
	failed  uint64            // attempts to write that failed, the last with err
	err     error
	pending map[string][]byte // files to be written; nil content: to go
	inFlush map[string][]byte // files that are being written
	since   time.Time         // when pending got its first

	// Of the writer's goroutine alone.
	journal   *journalFile
	lost      bool       // the journal lacks something of pending
	unsynced  bool       // not all of the journal would outlive a crash
	flushing  chan error // nil while nothing is flushed
	oldExists bool
}

// openStore reads what is there, without a word about its meaning; see load.
// A directory of "" gives a nil store.
func openStore(dir string, logger hclog.Logger) (*store, error) {
	if dir == "" {
		return nil, nil
	}
	for _, sub := range []string{servicesDir, checksDir, statesDir} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	s := &store{
		dir: dir, logger: logger, seed: maphash.MakeSeed(),
		wake: make(chan struct{}, 1), quit: make(chan struct{}),
		files: map[string]uint64{}, pending: map[string][]byte{},
	}
	s.told = sync.NewCond(&s.mu)
	if err := s.recover(); err != nil {
		return nil, err
	}
	var err error
	if s.journal, err = openJournal(s.path(journalName)); err != nil {
		return nil, fmt.Errorf("begin journal: %w", err)
	}
	if err := durable.SyncDir(dir); err != nil {
		return nil, err
	}
	s.writer.Go(s.run)
	return s, nil
}

func (s *store) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// recover writes the files that journals of a crash still owe.
func (s *store) recover() error {
	owed := map[string][]byte{}
	for _, name := range []string{oldJournalName, journalName} {
		b, err := os.ReadFile(s.path(name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read journal: %w", err)
		}
		good := readJournal(b, func(name string, content []byte) {
			if len(content) == 0 {
				content = nil
			}
			owed[name] = content
		})
		if good < len(b) {
			s.logger.Warn("journal of registrations ends in an incomplete record", "file", s.path(name), "bytes", len(b)-good)
		}
	}
	if err := s.writeFiles(owed); err != nil {
		return fmt.Errorf("write registrations: %w", err)
	}
	for _, name := range []string{oldJournalName, journalName} {
		if err := os.Remove(s.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// load returns the files of a folder by name. What the last crash has left half
// written is removed. It is called before anything is put.
func (s *store) load(dir string) map[string][]byte {
	if s == nil {
		return nil
	}
	entries, err := os.ReadDir(s.path(dir))
	if err != nil {
		s.logger.Error("registrations can't be read", "error", err)
		return nil
	}
	found := make(map[string][]byte, len(entries))
	for _, e := range entries {
		name := dir + "/" + e.Name()
		switch {
		case e.IsDir() || strings.HasSuffix(name, asideSuffix):
			continue
		case strings.HasSuffix(name, durable.TempSuffix):
			os.Remove(s.path(name))
			continue
		case !fileName.MatchString(name):
			s.logger.Warn("file among the registrations does not belong there", "file", s.path(name))
			continue
		}
		b, err := os.ReadFile(s.path(name))
		if err != nil {
			s.aside(name, err)
			continue
		}
		found[name] = b
		s.mu.Lock()
		s.files[name] = maphash.Bytes(s.seed, b)
		s.mu.Unlock()
	}
	return found
}

// aside puts a file that can't be read where it does no harm, for somebody to
// look at.
func (s *store) aside(name string, cause error) {
	s.logger.Error("registration can't be read and is put aside", "file", s.path(name)+asideSuffix, "error", cause)
	if err := os.Rename(s.path(name), s.path(name)+asideSuffix); err != nil {
		s.logger.Error("registration can't be put aside", "file", s.path(name), "error", err)
	}
	s.mu.Lock()
	delete(s.files, name)
	s.mu.Unlock()
}

// put has a file say something. It never waits; see wait.
func (s *store) put(name string, content []byte) {
	if s == nil {
		return
	}
	sum := maphash.Bytes(s.seed, content)
	s.mu.Lock()
	defer s.mu.Unlock()
	if was, there := s.files[name]; !there || was != sum {
		s.files[name] = sum
		s.add(name, content)
	}
}

// remove has a file go. It never waits; see wait.
func (s *store) remove(name string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.files[name]; there {
		delete(s.files, name)
		s.add(name, nil)
	}
}

func (s *store) add(name string, content []byte) {
	s.queue = appendRecord(s.queue, name, content)
	s.queued++
	if len(s.pending) == 0 {
		s.since = time.Now()
	}
	s.pending[name] = content
	s.signal()
}

func (s *store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// wait returns when all that was put and removed so far would outlive a crash.
func (s *store) wait() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	target, failed := s.queued, s.failed
	if s.synced >= target {
		return nil
	}
	s.wanted = target
	s.signal()
	for s.synced < target && s.failed == failed {
		s.told.Wait()
	}
	if s.synced < target {
		return fmt.Errorf("write registrations to disk: %w", s.err)
	}
	return nil
}

// close writes all files and ends the journal.
func (s *store) close() error {
	if s == nil {
		return nil
	}
	close(s.quit)
	s.writer.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.writeFiles(s.pending)
	if err == nil {
		s.synced = s.queued
		err = errors.Join(os.RemoveAll(s.path(oldJournalName)), os.Remove(s.path(journalName)))
	} else {
		s.failed, s.err = s.failed+1, err
	}
	s.told.Broadcast()
	return errors.Join(err, s.journal.f.Close())
}

// run writes the journal and has the files flushed.
func (s *store) run() {
	timer := time.NewTimer(flushDelay)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case <-s.quit:
			s.write()
			if s.flushing != nil {
				s.flushed(<-s.flushing)
			}
			return
		case <-s.wake:
			s.write()
		case err := <-s.flushing:
			s.flushed(err)
		case <-timer.C:
			s.flush()
		}
		if due, ok := s.flushDue(); ok {
			timer.Reset(time.Until(due))
		}
	}
}

// write appends what is queued, and syncs if somebody waits for it.
func (s *store) write() {
	s.mu.Lock()
	queue, queued, wanted, synced := s.queue, s.queued, s.wanted, s.synced
	if s.lost {
		queue = nil
		for _, files := range []map[string][]byte{s.inFlush, s.pending} {
			for name, content := range files {
				queue = appendRecord(queue, name, content)
			}
		}
	}
	s.queue = nil
	s.mu.Unlock()
	var err error
	if len(queue) > 0 {
		err = s.journal.append(queue)
		s.lost, s.unsynced = err != nil, true
	}
	if err == nil && wanted > synced && s.unsynced {
		if err = s.journal.f.Sync(); err == nil {
			s.unsynced = false
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.failed, s.err = s.failed+1, err
		s.logger.Error("registrations can't be written to disk", "error", err)
	case !s.unsynced:
		s.synced = queued
	}
	s.told.Broadcast()
}

// flushDue is when the files are to be written, if any.
func (s *store) flushDue() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flushing != nil || len(s.pending) == 0 {
		return time.Time{}, false
	}
	if s.journal.size > journalLimit {
		return time.Now(), true
	}
	return s.since.Add(flushDelay), true
}

// flush begins to write the files, and a new journal for what comes meanwhile.
// The old one is needed until all files are written.
func (s *store) flush() {
	if _, due := s.flushDue(); !due {
		return
	}
	if err := s.rotate(); err != nil {
		s.logger.Error("journal of registrations can't be begun anew", "error", err)
	}
	s.mu.Lock()
	s.inFlush, s.pending = s.pending, map[string][]byte{}
	s.mu.Unlock()
	done := make(chan error, 1)
	s.flushing = done
	files := s.inFlush
	s.writer.Go(func() { done <- s.writeFiles(files) })
}

// rotate puts the journal away as the old one, unless there is one that is
// still needed.
func (s *store) rotate() error {
	if s.oldExists {
		return nil
	}
	s.write() // so that the new journal begins after what is pending
	if err := os.Rename(s.path(journalName), s.path(oldJournalName)); err != nil {
		return err
	}
	s.oldExists = true
	next, err := openJournal(s.path(journalName))
	if err != nil {
		// Go on with the file that now has the name of the old one.
		s.oldExists = false
		return errors.Join(err, os.Rename(s.path(oldJournalName), s.path(journalName)))
	}
	if s.unsynced {
		err = s.journal.f.Sync()
		s.unsynced = err != nil
	}
	err = errors.Join(err, s.journal.f.Close(), durable.SyncDir(s.dir))
	s.journal = next
	return err
}

// flushed ends a flush. What could not be written is tried again.
func (s *store) flushed(err error) {
	s.flushing = nil
	if err == nil && s.oldExists {
		err = os.Remove(s.path(oldJournalName))
		s.oldExists = err != nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.logger.Error("registrations can't be written to their files", "error", err)
		newer := s.pending
		s.pending, s.since = s.inFlush, time.Now()
		maps.Copy(s.pending, newer)
	}
	s.inFlush = nil
}

// writers is how many files are written at a time. The disk syncs those of a
// moment together.
const writers = 8

// writeFiles brings files to what they are to say.
func (s *store) writeFiles(files map[string][]byte) error {
	var (
		names = make(chan string)
		wg    sync.WaitGroup
		mu    sync.Mutex
		errs  []error
	)
	for range min(writers, len(files)) {
		wg.Go(func() {
			for name := range names {
				if err := s.writeOne(name, files[name]); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	touched := map[string]bool{}
	for name := range files {
		names <- name
		touched[path.Dir(name)] = isLasting(name)
	}
	close(names)
	wg.Wait()
	for dir, lasting := range touched {
		if lasting {
			errs = append(errs, durable.SyncDir(s.path(dir)))
		}
	}
	return errors.Join(errs...)
}

// isLasting tells whether a file is worth a sync. The states of checks are not:
// without them a check is critical until it is heard of.
func isLasting(name string) bool { return path.Dir(name) != statesDir }

func (s *store) writeOne(name string, content []byte) error {
	if content != nil {
		return durable.Replace(s.path(name), content, isLasting(name))
	}
	if err := os.Remove(s.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
