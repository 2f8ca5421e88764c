package settings

import (
	"net/netip"
	"sync"
	"time"
)

const (
	burst        = 10
	interval     = 6 * time.Second
	maxAddresses = 4096
)

// A limiter slows down attempts to sign in. Each address gets a burst at once, then one attempt every interval.
type limiter struct {
	mu   sync.Mutex
	free map[netip.Prefix]time.Time // when an address has its whole burst again
}

func newLimiter() *limiter { return &limiter{free: map[netip.Prefix]time.Time{}} }

// take uses up an attempt and returns 0. If none is left, it returns how long to wait for the next one.
func (l *limiter) take(address netip.Addr, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	sender := network(address)
	free := l.free[sender]
	if free.Before(now) {
		free = now
	}
	if wait := free.Sub(now) - (burst-1)*interval; wait > 0 {
		return wait
	}
	if _, known := l.free[sender]; !known && len(l.free) >= maxAddresses {
		l.forget(now)
	}
	l.free[sender] = free.Add(interval)
	return 0
}

// giveBack returns an attempt that succeeded.
func (l *limiter) giveBack(address netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if free, known := l.free[network(address)]; known {
		l.free[network(address)] = free.Add(-interval)
	}
}

// forget makes room. It drops every address that has its whole burst again, or else the one that is closest to it.
func (l *limiter) forget(now time.Time) {
	var first netip.Prefix
	for sender, free := range l.free {
		if !free.After(now) {
			delete(l.free, sender)
		} else if l.free[first].IsZero() || free.Before(l.free[first]) {
			first = sender
		}
	}
	if len(l.free) >= maxAddresses {
		delete(l.free, first)
	}
}

// network returns the addresses that one sender certainly has: one IPv4 address, or a /64 of IPv6.
func network(address netip.Addr) netip.Prefix {
	bits := 64
	if address = address.Unmap(); address.Is4() {
		bits = 32
	}
	prefix, _ := address.Prefix(bits)
	return prefix
}
