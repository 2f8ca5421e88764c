package client

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/babelon/babelon/cli/internal/fault"
)

// A row is an element of a list. Its key is unique and never changes.
type row interface {
	answer
	columns() []string // the key's
	key() []string     // its values in them, which sort as text as they do in the database
}

// rows is the answer with one page of a list.
type rows[Row row] []Row

func (r rows[Row]) valid() error {
	if r == nil {
		return errors.New("it is no list")
	}
	for _, element := range r {
		if err := element.valid(); err != nil {
			return err
		}
	}
	return nil
}

// The bounds of a list, in rows.
const (
	pageSize = 1000 // what hosted Supabase caps an answer at, unless its operator lowers it
	maxRows  = 200_000
)

// list reads a whole list by its key: each page begins after the last row of the one before. Rows that come, go or
// change meanwhile move no other row to another page, so every row that exists throughout is there exactly once. Only an
// empty page is the end, because a server may cap pages at any size and its count may be wrong.
func list[Row row](filter url.Values, fetch func(query url.Values) (*exchange, error)) ([]Row, error) {
	all := []Row{}
	var first Row
	columns := first.columns()
	filter.Set("order", strings.Join(columns, ".asc,")+".asc")
	filter.Set("limit", strconv.Itoa(pageSize))
	for {
		e, err := fetch(filter)
		if err != nil {
			return nil, err
		}
		page, err := decode[rows[Row]](e)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			return all, nil
		}
		for _, next := range page {
			if len(all) > 0 && slices.Compare(all[len(all)-1].key(), next.key()) >= 0 {
				return nil, e.foreign("a list is not in the order of its keys, or repeats them")
			}
			all = append(all, next)
		}
		if len(all) > maxRows {
			return nil, &fault.Error{Kind: fault.Unavailable, Message: fmt.Sprintf("the list has more than %d rows", maxRows)}
		}
		after(filter, columns, all[len(all)-1].key())
	}
}

// after makes the filter one for the rows beyond a key of one or two columns.
func after(filter url.Values, columns, key []string) {
	if len(columns) == 1 {
		filter.Set(columns[0], "gt."+key[0])
		return
	}
	filter.Set("or", fmt.Sprintf("(%s.gt.%s,and(%[1]s.eq.%[2]s,%[3]s.gt.%[4]s))", columns[0], key[0], columns[1], key[1]))
}
