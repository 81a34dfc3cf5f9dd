package tokenizer

import "testing"

func TestBalancedCutsLikeElasticsearch(t *testing.T) {
	for _, tc := range []struct{ query, passage, special, most, wantQuery, wantPassage int }{
		{10, 600, 3, 512, 10, 499},
		{254, 600, 3, 512, 254, 255},
		{300, 300, 3, 512, 254, 255},
		{600, 50, 3, 512, 459, 50},
		{600, 254, 3, 512, 255, 254},
		{600, 255, 3, 512, 254, 255},
		{5, 505, 3, 512, 5, 504},
		{5, 504, 3, 512, 5, 504},
		{0, 0, 3, 512, 0, 0},
		{0, 600, 3, 512, 0, 509},
		{600, 0, 3, 512, 509, 0},
		{10, 600, 4, 512, 10, 498}, // RoBERTa's frame has four
		{300, 300, 4, 512, 254, 254},
		{300, 300, 3, 128, 62, 63},
		{100, 100, 3, 4, 0, 1},
		{100, 100, 3, 3, 0, 0},
	} {
		q, p := Balanced(tc.query, tc.passage, tc.special, tc.most)
		if q != tc.wantQuery || p != tc.wantPassage {
			t.Errorf("Balanced(%d, %d, %d, %d) = %d, %d; want %d, %d",
				tc.query, tc.passage, tc.special, tc.most, q, p, tc.wantQuery, tc.wantPassage)
		}
	}
}

func TestBalancedNeverExceedsTheRoomNorWastesIt(t *testing.T) {
	for special := 2; special < 5; special++ {
		for most := special; most < 24; most++ {
			for query := range 30 {
				for passage := range 30 {
					q, p := Balanced(query, passage, special, most)
					if q < 0 || q > query || p < 0 || p > passage {
						t.Fatalf("Balanced(%d, %d, %d, %d) = %d, %d is out of range", query, passage, special, most, q, p)
					}
					if want := min(most, query+passage+special); q+p+special != want {
						t.Fatalf("Balanced(%d, %d, %d, %d) = %d, %d fills %d tokens, want %d", query, passage, special, most, q, p, q+p+special, want)
					}
				}
			}
		}
	}
}

// Callers encode each side up to the limit of the pair and no further. The cut
// must be what it would be if they had encoded everything.
func TestSidesEncodedUpToTheLimitAreCutAlike(t *testing.T) {
	const special, most = 3, 20
	for query := range 60 {
		for passage := range 60 {
			q, p := Balanced(query, passage, special, most)
			clippedQ, clippedP := Balanced(min(query, most), min(passage, most), special, most)
			if q != clippedQ || p != clippedP {
				t.Fatalf("(%d, %d): %d, %d from whole sides, %d, %d from clipped ones", query, passage, q, p, clippedQ, clippedP)
			}
		}
	}
}
