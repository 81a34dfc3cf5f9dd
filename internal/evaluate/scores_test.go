package evaluate

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func openScores(t *testing.T, folder, fingerprint string) *Scores {
	t.Helper()
	s, err := OpenScores(folder, fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func onlyFile(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, err %v", files, err)
	}
	return files[0]
}

func TestScoresOutliveTheProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	s := openScores(t, dir, "a")
	texts := []string{"one", "two"}
	if err := s.keep("q", texts, []float32{1.5, -2}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := openScores(t, dir, "a")
	scores, missing := again.lookUp("q", []string{"two", "three", "one"})
	if again.Len() != 2 || scores[0] != -2 || scores[2] != 1.5 || len(missing) != 1 || missing[0] != 1 {
		t.Errorf("%d scores: %v, missing %v", again.Len(), scores, missing)
	}
	if _, missing := again.lookUp("qt", []string{"wo"}); len(missing) != 1 {
		t.Error("a pair is taken for another one that is written alike")
	}
	if other := openScores(t, dir, "b"); other.Len() != 0 {
		t.Error("a model gets the scores of another")
	}
}

func TestADamagedEndIsCutOff(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"half a record":    func(b []byte) []byte { return b[:len(b)-5] },
		"a bit that fell":  func(b []byte) []byte { b[len(b)-6] ^= 1; return b },
		"zeros at the end": func(b []byte) []byte { return append(b[:len(b)-recordBytes], make([]byte, 3*recordBytes)...) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openScores(t, dir, "a")
			if err := s.keep("q", []string{"one", "two"}, []float32{1, 2}); err != nil {
				t.Fatal(err)
			}
			_ = s.Close()
			path := onlyFile(t, dir)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(text), 0o600); err != nil {
				t.Fatal(err)
			}
			s = openScores(t, dir, "a")
			if s.Len() != 1 {
				t.Fatalf("%d scores, want the one before the damage", s.Len())
			}
			if err := s.keep("q", []string{"three"}, []float32{3}); err != nil {
				t.Fatal(err)
			}
			_ = s.Close()
			if s = openScores(t, dir, "a"); s.Len() != 2 {
				t.Errorf("%d scores after one more, want 2", s.Len())
			}
		})
	}
}

func TestAFileOfAnotherKindIsBegunAnew(t *testing.T) {
	dir := t.TempDir()
	_ = openScores(t, dir, "a").Close()
	if err := os.WriteFile(onlyFile(t, dir), []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openScores(t, dir, "a")
	if err := s.keep("q", []string{"one"}, []float32{1}); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	if s = openScores(t, dir, "a"); s.Len() != 1 {
		t.Errorf("%d scores, want 1", s.Len())
	}
}

func TestTwoEvaluationsDoNotShareAFile(t *testing.T) {
	dir := t.TempDir()
	s := openScores(t, dir, "a")
	if _, err := OpenScores(dir, "a"); !errors.Is(err, ErrScoresInUse) {
		t.Errorf("err = %v", err)
	}
	_ = s.Close()
	openScores(t, dir, "a")
}

func TestNoScoresAreKeptWithoutAFile(t *testing.T) {
	var s *Scores
	if err := s.keep("q", []string{"one"}, []float32{1}); err != nil {
		t.Error(err)
	}
	if _, missing := s.lookUp("q", []string{"one"}); len(missing) != 1 || s.Len() != 0 || s.Close() != nil {
		t.Error("something is kept")
	}
	if _, err := OpenScores(filepath.Join(onlyNewFile(t), "below"), "a"); err == nil {
		t.Error("a folder below a file is opened")
	}
}

func onlyNewFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
