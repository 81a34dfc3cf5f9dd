package cache_test

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"github.com/rerankd/rerankd/cache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(tb testing.TB, bytes int64) *cache.Store {
	tb.Helper()
	s, err := cache.New(cache.Options{MaxBytes: bytes})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// key spreads n over the bytes of a key, as a digest would.
func key(n uint64) (k cache.Key) {
	r := rand.New(rand.NewPCG(n, 1))
	for i := 0; i < len(k); i += 8 {
		binary.LittleEndian.PutUint64(k[i:], r.Uint64())
	}
	return k
}

func TestAStoreGivesBackWhatItTookIn(t *testing.T) {
	s := open(t, 1<<20)
	s.Set(key(1), -2.5)
	s.Settle()
	if got, ok := s.Get(key(1)); !ok || got != -2.5 {
		t.Errorf("got %v, %v", got, ok)
	}
	if _, ok := s.Get(key(2)); ok {
		t.Error("a key that was never set was found")
	}
	if got := s.Stats(); got.Hits != 1 || got.Misses != 1 || got.Sets != 1 || got.Entries != 1 || got.Bytes != cache.EntryBytes {
		t.Errorf("stats %+v", got)
	}
}

func TestKeysThatDifferInAnyHalfAreDifferent(t *testing.T) {
	s := open(t, 1<<20)
	for half := range 4 {
		a, b := key(7), key(7)
		b[half*8] ^= 1
		s.Set(a, 1)
		s.Settle()
		if score, ok := s.Get(b); ok {
			t.Errorf("quarter %d of the key is not compared: got %v", half, score)
		}
	}
}

func TestAFullStoreEvictsAndSaysSo(t *testing.T) {
	s := open(t, cache.MinBytes)
	for n := range uint64(4000) {
		s.Set(key(n), float32(n))
	}
	s.Settle()
	got := s.Stats()
	if got.Bytes > cache.MinBytes || got.Entries == 0 {
		t.Errorf("%d bytes in %d entries, want at most %d", got.Bytes, got.Entries, cache.MinBytes)
	}
	if got.Evicted+got.Rejected+got.Dropped == 0 || got.Entries+got.Rejected+got.Dropped+got.Evicted < 4000 {
		t.Errorf("4000 sets are not accounted for: %+v", got)
	}
}

func TestAStoreTooSmallToBeUsefulIsRefused(t *testing.T) {
	if _, err := cache.New(cache.Options{MaxBytes: cache.MinBytes - 1}); err == nil {
		t.Error("no error")
	}
}

// The memory that a full store really takes is what its entries are charged
// with, within a fifth.
func TestAFullStoreStaysNearItsBytes(t *testing.T) {
	const size = 32 << 20
	before := heap()
	s := open(t, size)
	for n := range uint64(2 * size / cache.EntryBytes) {
		s.Set(key(n), 1)
		if n%8192 == 0 {
			s.Settle()
		}
	}
	s.Settle()
	used := heap() - before
	entries := int64(s.Stats().Entries)
	t.Logf("%d entries in %d bytes: %d each", entries, used, used/entries)
	if used > size*12/10 {
		t.Errorf("a store of %d bytes takes %d", size, used)
	}
	runtime.KeepAlive(s)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// On requests with a Zipf distribution the store comes near the best possible
// cache of its size, which holds the most popular keys from the start.
func TestHitRatioOnZipfIsNearTheIdeal(t *testing.T) {
	const keys, requests, held = 100_000, 400_000, 5_000
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, keys-1)
	s := open(t, held*cache.EntryBytes)
	hits, ideal := 0, 0
	for n := range requests {
		k := zipf.Uint64() // 0 is the most popular
		if k < held {
			ideal++
		}
		if _, ok := s.Get(key(k)); ok {
			hits++
		} else {
			s.Set(key(k), 1)
		}
		if n%64 == 0 { // often enough that no access is dropped
			s.Settle()
		}
	}
	ratio := float64(hits) / float64(ideal)
	t.Logf("%d hits of %d requests, %d by an ideal cache: %.3f of it", hits, requests, ideal, ratio)
	if ratio < 0.85 {
		t.Errorf("%.3f of the ideal hits, want 0.85", ratio)
	}
}
