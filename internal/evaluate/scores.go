package evaluate

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"syscall"
)

// The file of kept scores is a line with the model's fingerprint and then
// records of one size: the digest of a pair, its score, and a checksum of both.
// Records are only ever appended.
const (
	scoresHeader = "rerankd scores 1 "
	digestBytes  = 16
	recordBytes  = digestBytes + 4 + 4
	// maxScores bounds the file that is read into memory, about 3 GB.
	maxScores = 50_000_000
)

// ErrScoresInUse reports a file of scores that another process has open.
var ErrScoresInUse = errors.New("another evaluation with this model is running")

type digest [digestBytes]byte

// Scores are the scores of one model that are kept in a file, so that an
// evaluation that was interrupted goes on where it was. No text is kept, only
// digests. A nil *Scores keeps nothing. It is not safe for concurrent use.
type Scores struct {
	file  *os.File
	known map[digest]float32
}

// OpenScores opens the file of the model with this fingerprint in the folder,
// which is made if it is not there. It returns [ErrScoresInUse] when another
// process has the file open. What a process that died left half written at the
// end is cut off.
func OpenScores(folder, fingerprint string) (*Scores, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("keep scores: %w", err)
	}
	name := sha256.Sum256([]byte(fingerprint))
	path := filepath.Join(folder, fmt.Sprintf("%x.scores", name[:16]))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("keep scores: %w", err)
	}
	s := &Scores{file: f, known: map[digest]float32{}}
	if err := s.load(fingerprint); err != nil {
		return nil, errors.Join(fmt.Errorf("keep scores in %s: %w", path, err), f.Close())
	}
	return s, nil
}

// load locks the file, which the kernel undoes when it is closed, reads it, and
// leaves it at its end.
func (s *Scores) load(fingerprint string) error {
	if err := syscall.Flock(int(s.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return ErrScoresInUse
		}
		return err
	}
	text, err := io.ReadAll(io.LimitReader(s.file, maxScores*recordBytes))
	if err != nil {
		return err
	}
	header := []byte(scoresHeader + fingerprint + "\n")
	records, ours := bytes.CutPrefix(text, header)
	if !ours { // a new file, or one in another form
		if err := s.file.Truncate(0); err != nil {
			return err
		}
		_, err := s.file.WriteAt(header, 0)
		return errors.Join(err, s.seek(len(header)))
	}
	good := len(header)
	for len(records) >= recordBytes {
		d, score, ok := parseRecord(records[:recordBytes])
		if !ok {
			break
		}
		s.known[d] = score
		records = records[recordBytes:]
		good += recordBytes
	}
	return errors.Join(s.file.Truncate(int64(good)), s.seek(good))
}

func (s *Scores) seek(to int) error {
	_, err := s.file.Seek(int64(to), io.SeekStart)
	return err
}

// Len returns how many scores are kept.
func (s *Scores) Len() int {
	if s == nil {
		return 0
	}
	return len(s.known)
}

// Close closes the file.
func (s *Scores) Close() error {
	if s == nil {
		return nil
	}
	return s.file.Close()
}

// lookUp returns the scores that are known, 0 for the others, and the places of
// those others.
func (s *Scores) lookUp(query string, texts []string) (scores []float32, missing []int) {
	scores = make([]float32, len(texts))
	for i, text := range texts {
		known := false
		if s != nil {
			scores[i], known = s.known[digestOf(query, text)]
		}
		if !known {
			missing = append(missing, i)
		}
	}
	return scores, missing
}

// keep writes the scores before it returns, in one piece.
func (s *Scores) keep(query string, texts []string, scores []float32) error {
	if s == nil {
		return nil
	}
	var b []byte
	for i, text := range texts {
		d := digestOf(query, text)
		s.known[d] = scores[i]
		b = appendRecord(b, d, scores[i])
	}
	if _, err := s.file.Write(b); err != nil {
		return fmt.Errorf("keep scores: %w", err)
	}
	return nil
}

// digestOf tells the query from the text by its length.
func digestOf(query, text string) digest {
	h := sha256.New()
	_ = binary.Write(h, binary.LittleEndian, uint64(len(query)))
	_, _ = io.WriteString(h, query)
	_, _ = io.WriteString(h, text)
	return digest(h.Sum(nil)[:digestBytes])
}

func appendRecord(b []byte, d digest, score float32) []byte {
	start := len(b)
	b = append(b, d[:]...)
	b = binary.LittleEndian.AppendUint32(b, math.Float32bits(score))
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:]))
}

func parseRecord(b []byte) (d digest, score float32, ok bool) {
	body, sum := b[:recordBytes-4], binary.LittleEndian.Uint32(b[recordBytes-4:])
	score = math.Float32frombits(binary.LittleEndian.Uint32(body[digestBytes:]))
	finite := !math.IsNaN(float64(score)) && !math.IsInf(float64(score), 0)
	return digest(body[:digestBytes]), score, finite && sum == crc32.ChecksumIEEE(body)
}
