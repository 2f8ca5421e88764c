package config

import "testing"

func TestA_file_of_a_stranger_is_not_trusted(t *testing.T) {
	for _, test := range []struct {
		owner, user int
		want        bool
	}{{1000, 1000, false}, {0, 1000, false}, {1001, 1000, true}, {1000, 0, false}} {
		if got := isStranger(test.owner, test.user); got != test.want {
			t.Errorf("isStranger(%d, %d) = %v", test.owner, test.user, got)
		}
	}
}
