package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// revoke measures how long it takes to revoke a token that 64 clients are using, and looks for a request
// that started after the revocation had committed and was accepted all the same.
func (b *bench) revoke(ctx context.Context) error {
	var took []float64
	var late, requests int64
	for trial := range b.trials {
		n := 200_000_000 + trial
		if err := b.addToken(ctx, n); err != nil {
			return err
		}
		milliseconds, accepted, sent, err := b.revokeHot(ctx, n)
		if err != nil {
			return err
		}
		took = append(took, milliseconds)
		late += accepted
		requests += sent
	}
	slices.Sort(took)
	b.add(fmt.Sprintf("revoke: a hot token, median of %d", b.trials), took[len(took)/2], "ms", 0, "")
	b.add("revoke: a hot token, 99th percentile", took[len(took)*99/100], "ms", 0, "≤ 50")
	b.add(fmt.Sprintf("revoke: requests accepted that started after it, of %d", requests), float64(late), "", 0, "0")
	return nil
}

func (b *bench) addToken(ctx context.Context, n int) error {
	_, err := b.db.Exec(ctx, `
		insert into babelon_private.api_tokens (organization_id, client_id, secret_hash, name, role)
		values ($1, public.id_of($2), sha256(convert_to(public.secret_of($2), 'UTF8')), 'hot', 'member')`, b.organization, n)
	return err
}

func (b *bench) revokeHot(ctx context.Context, n int) (milliseconds float64, late, sent int64, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var revoked atomic.Int64 // when, in Unix nanoseconds; 0 before
	var accepted, wrongly, refused, failed atomic.Int64
	var wait sync.WaitGroup
	for range 64 {
		wait.Go(func() {
			for ctx.Err() == nil && refused.Load() < 128 {
				request, err := b.request(ctx, load{method: http.MethodGet, path: "/rpc/nothing"})
				if err != nil {
					return
				}
				request.Header.Set("X-Client-Id", clientID(n))
				request.Header.Set("X-Api-Token", secret(n))
				after := revoked.Load() != 0
				switch status, err := send(request); {
				case err != nil:
					failed.Add(1)
				case status == http.StatusOK:
					accepted.Add(1)
					if after {
						wrongly.Add(1)
					}
				default:
					refused.Add(1)
				}
			}
		})
	}
	for accepted.Load() < 64 && failed.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	_, err = b.db.Exec(ctx, "update babelon_private.api_tokens set revoked_at = clock_timestamp() where client_id = public.id_of($1)", n)
	took := time.Since(began)
	revoked.Store(time.Now().UnixNano())
	if err != nil {
		return 0, 0, 0, err
	}
	wait.Wait()
	if failed.Load() > 0 {
		return 0, 0, 0, fmt.Errorf("%d requests failed", failed.Load())
	}
	return float64(took.Microseconds()) / 1000, wrongly.Load(), accepted.Load() + refused.Load(), nil
}
