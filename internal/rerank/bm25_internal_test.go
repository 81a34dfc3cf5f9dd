package rerank

import "testing"

// Lucene's table of the lengths that one byte holds begins so.
func TestLengthsAreKeptAsLuceneKeepsThem(t *testing.T) {
	for length, want := range map[int]int{
		0: 0, 1: 1, 23: 23, 24: 24, 39: 39, 40: 40, 41: 40, 42: 42, 55: 54, 56: 56, 59: 56, 60: 60, 87: 84, 88: 88, 95: 88, 96: 96,
		300: 280, 312: 312, 1000: 984, 1 << 20: 983064,
	} {
		if got := storedLength(length); got != want {
			t.Errorf("storedLength(%d) = %d, want %d", length, got, want)
		}
	}
}
