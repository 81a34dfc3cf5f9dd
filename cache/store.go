// Package cache remembers scores: a store bounded by bytes and the Scorer that
// asks it before it asks the model. Keys are digests, so no query and no document
// is kept. A cache never fails a request: what it lost is scored again.
package cache

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/ristretto/v2"
)

// EntryBytes is what one score is charged with against [Options.MaxBytes]: the most
// memory that a full store was seen to take for each entry (250 to 370 bytes, since
// its tables double when they grow). TestAFullStoreStaysNearItsBytes measures it.
const EntryBytes = 384

// MinBytes is the least useful size of a store.
const MinBytes = 64 << 10

// Options size a Store.
type Options struct {
	// MaxBytes bounds the memory of the store, about EntryBytes a score.
	// At least MinBytes.
	MaxBytes int64
}

// Key is the digest of everything that makes a score what it is.
type Key [32]byte

// Store keeps scores up to a number of bytes. Which ones stay when it is full is
// decided by how often they were asked for (TinyLFU).
//
// A Set may be dropped under a burst, and a value is visible to Get some time
// after Set, not at once. It is safe for concurrent use; Close is to come last.
type Store struct {
	c *ristretto.Cache[string, entry]
}

// entry is a score with the half of its key that the store's own index doesn't
// compare: a hit is a match of all 256 bits.
type entry struct {
	rest  [16]byte
	score float32
}

// Stats counts since the start.
type Stats struct {
	Hits, Misses uint64 // Gets
	Sets         uint64 // scores taken in
	Dropped      uint64 // Sets lost under a burst
	Rejected     uint64 // Sets refused in favour of scores in more demand
	Evicted      uint64 // scores put out for others
	Entries      uint64 // scores held
	Bytes        uint64 // Entries × EntryBytes
}

// New opens a store.
func New(o Options) (*Store, error) {
	if o.MaxBytes < MinBytes {
		return nil, fmt.Errorf("open a cache of %d bytes: at least %d are needed", o.MaxBytes, MinBytes)
	}
	c, err := ristretto.NewCache(&ristretto.Config[string, entry]{
		// Ten counters an entry, as ristretto's documentation advises.
		NumCounters: 10 * (o.MaxBytes / EntryBytes),
		MaxCost:     o.MaxBytes,
		BufferItems: 64, // ristretto's advice for every case
		Metrics:     true,
		// EntryBytes holds the whole price.
		IgnoreInternalCost: true,
		// The key is a digest already: its bits are as good as any hash of it.
		KeyToHash: func(key string) (uint64, uint64) {
			return binary.LittleEndian.Uint64([]byte(key[:8])), binary.LittleEndian.Uint64([]byte(key[8:16]))
		},
	})
	if err != nil {
		return nil, fmt.Errorf("open a cache of %d bytes: %w", o.MaxBytes, err)
	}
	return &Store{c: c}, nil
}

// Get returns the score of a key.
func (s *Store) Get(key Key) (score float32, ok bool) {
	e, ok := s.c.Get(string(key[:]))
	if !ok || e.rest != [16]byte(key[16:]) {
		return 0, false
	}
	return e.score, true
}

// Set offers a finite score for a key.
func (s *Store) Set(key Key, score float32) {
	s.c.Set(string(key[:]), entry{rest: [16]byte(key[16:]), score: score}, EntryBytes)
}

// Settle waits until every Set before it is visible or dropped. For tests and
// measurements.
func (s *Store) Settle() { s.c.Wait() }

// Stats tells what the store has done so far.
func (s *Store) Stats() Stats {
	m := s.c.Metrics
	entries := m.KeysAdded() - m.KeysEvicted()
	return Stats{
		Hits: m.Hits(), Misses: m.Misses(), Sets: m.KeysAdded() + m.KeysUpdated(),
		Dropped: m.SetsDropped(), Rejected: m.SetsRejected(), Evicted: m.KeysEvicted(),
		Entries: entries, Bytes: entries * EntryBytes,
	}
}

// Close stops the store's goroutines. Nothing may use the store afterwards.
func (s *Store) Close() error {
	if s == nil {
		return errors.New("close a cache that was never opened")
	}
	s.c.Close()
	return nil
}
