package local

import "time"

// dirty is what the catalog has to be told. A name is in one place at most:
// what is registered again after it was removed is not removed any more. Both
// are kept as sets, so that a change costs the same however much there is.
type dirty struct {
	node         bool
	services     map[string]bool
	checks       map[string]bool
	goneServices map[string]string // ID → token
	goneChecks   map[string]string
}

func newDirty() dirty {
	return dirty{
		services: map[string]bool{}, checks: map[string]bool{},
		goneServices: map[string]string{}, goneChecks: map[string]string{},
	}
}

func (d *dirty) addService(id string) {
	delete(d.goneServices, id)
	d.services[id] = true
}

func (d *dirty) addCheck(id string) {
	delete(d.goneChecks, id)
	d.checks[id] = true
}

func (d *dirty) empty() bool {
	return !d.node && len(d.services)+len(d.checks)+len(d.goneServices)+len(d.goneChecks) == 0
}

func (d *dirty) hasCheck(id string) bool { return d.checks[id] }

func (d *dirty) removeService(id, token string) {
	delete(d.services, id)
	d.goneServices[id] = token
}

func (d *dirty) removeCheck(id, token string) {
	delete(d.checks, id)
	d.goneChecks[id] = token
}

// deferred are checks whose output, and nothing else, differs from what the
// catalog says, and when it is to be told.
type deferred struct {
	due  map[string]time.Time
	next time.Time // not after the first of due; zero when there is none
}

// add notes a check unless it is noted already. It tells whether the first
// time to come has become an earlier one.
func (d *deferred) add(id string, due time.Time) (earlier bool) {
	if _, there := d.due[id]; there {
		return false
	}
	d.due[id] = due
	if !d.next.IsZero() && !due.Before(d.next) {
		return false
	}
	d.next = due
	return true
}

func (d *deferred) drop(id string) { delete(d.due, id) }

func (d *deferred) has(id string) bool {
	_, there := d.due[id]
	return there
}

// take removes and returns what is due.
func (d *deferred) take(now time.Time) (ids []string) {
	if d.next.IsZero() || now.Before(d.next) {
		return nil
	}
	d.next = time.Time{}
	for id, due := range d.due {
		switch {
		case !now.Before(due):
			ids = append(ids, id)
			delete(d.due, id)
		case d.next.IsZero() || due.Before(d.next):
			d.next = due
		}
	}
	return ids
}
