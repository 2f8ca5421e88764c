package tests

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestEvery_code_of_an_error_has_a_status_and_there_is_no_other(t *testing.T) {
	db := connect(t, project.DatabaseURL)
	rows, err := db.Query(t.Context(), "select unnest(enum_range(null::babelon_private.error_code))::text")
	if err != nil {
		t.Fatal(err)
	}
	codes, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(codes) < 10 {
		t.Fatalf("%d codes (%v)", len(codes), err)
	}
	for _, code := range codes {
		_, err := db.Exec(t.Context(), "select babelon_private.raise_error($1::text::babelon_private.error_code, 'the message', 'the hint')", code)
		var pgErr *pgconn.PgError
		if !errors.As(err, &pgErr) || pgErr.Code != "PGRST" {
			t.Errorf("%s: got %v", code, err)
			continue
		}
		var body struct{ Code, Message, Hint string }
		var response struct {
			Status  int
			Headers map[string]string
		}
		if err := errors.Join(json.Unmarshal([]byte(pgErr.Message), &body), json.Unmarshal([]byte(pgErr.Detail), &response)); err != nil {
			t.Errorf("%s: %v", code, err)
		}
		if body.Code != code || body.Message != "the message" || body.Hint != "the hint" || response.Status < 400 || response.Status > 499 {
			t.Errorf("%s is answered %+v with %+v", code, response, body)
		}
		if challenged := strings.HasPrefix(response.Headers["WWW-Authenticate"], "Babelon"); challenged != (response.Status == 401) {
			t.Errorf("%s, with the status %d, has the headers %v", code, response.Status, response.Headers)
		}
	}
	_, err = db.Exec(t.Context(), "select babelon_private.raise_error('BBL_NO_SUCH_CODE', 'x')")
	wantSQLState(t, "an unknown code", err, "22P02")
}
