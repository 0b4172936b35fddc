package command

import "github.com/hashicorp/consul/api"

// SessionTTL is how long what a session holds stays held after the program
// that keeps it has died.
const SessionTTL = "15s"

// Session is a session that is kept alive until it is closed.
type Session struct {
	// ID names it.
	ID string

	stop, ended chan struct{}
}

// OpenSession creates a session that ends SessionTTL after it is no longer
// kept alive.
func OpenSession(client *api.Client, entry api.SessionEntry) (*Session, error) {
	entry.TTL = SessionTTL
	id, _, err := client.Session().Create(&entry, nil)
	if err != nil {
		return nil, err
	}
	s := &Session{ID: id, stop: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		// That a session is lost shows at what it holds.
		_ = client.Session().RenewPeriodic(SessionTTL, id, nil, s.stop)
	}()
	return s, nil
}

// Close destroys the session.
func (s *Session) Close() {
	close(s.stop)
	<-s.ended
}
