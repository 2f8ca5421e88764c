package credential

import (
	"errors"
	"time"
)

// A Session is what Supabase Auth gives a person who signs in.
type Session struct {
	Email        string
	AccessToken  Secret
	RefreshToken Secret // works once: each refresh brings the next one
	ExpiresAt    time.Time
}

// margin is how long a session must still last to be used without a refresh.
const margin = 30 * time.Second

// Due reports whether the session has to be refreshed before it is used.
func (s Session) Due(now time.Time) bool { return s.ExpiresAt.Sub(now) < margin }

// ErrNoSession is the error of whatever needs a session when nobody is signed in.
var ErrNoSession = errors.New("not signed in")
