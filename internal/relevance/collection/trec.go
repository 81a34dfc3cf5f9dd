package collection

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/rerankd/rerankd/internal/relevance"
)

// maxGrade bounds grades on both sides: 2 to this power is a gain that a float64
// adds up without loss of the others.
const maxGrade = 50

// ReadQrels reads judgements: three columns (query, document, grade) parted by
// tabs, as BEIR has them, with or without a line of headings; or the four of
// TREC (query, any word, document, grade) parted by white space. The first line
// decides for the file. A pair that stands twice with different grades is an
// error. name leads the errors.
func ReadQrels(r io.Reader, name string) (relevance.Qrels, error) {
	qrels := relevance.Qrels{}
	var split func(string) ([]string, error)
	err := eachLine(r, name, func(line []byte) error {
		text := string(line)
		if split == nil {
			split = splitTREC
			if columns := strings.Split(text, "\t"); len(columns) == 3 {
				split = splitBEIR
				if !isNumber(columns[2]) {
					return nil // headings
				}
			}
		}
		fields, err := split(text)
		if err != nil {
			return err
		}
		return addJudgement(qrels, fields)
	})
	return qrels, err
}

func isNumber(text string) bool {
	_, err := strconv.Atoi(strings.TrimSpace(text))
	return err == nil
}

func splitBEIR(line string) ([]string, error) {
	fields := strings.Split(line, "\t")
	if len(fields) != 3 {
		return nil, fmt.Errorf("want 3 fields with tabs between (query, document, grade), got %d", len(fields))
	}
	return fields, nil
}

func splitTREC(line string) ([]string, error) {
	fields := strings.Fields(line)
	if len(fields) != 4 {
		return nil, fmt.Errorf("want 4 fields (query, 0, document, grade), got %d", len(fields))
	}
	return []string{fields[0], fields[2], fields[3]}, nil
}

func addJudgement(qrels relevance.Qrels, fields []string) error {
	query, document := fields[0], fields[1]
	if err := errors.Join(checkID("query id", query), checkID("document id", document)); err != nil {
		return err
	}
	grade, err := strconv.Atoi(strings.TrimSpace(fields[2]))
	if err != nil || grade < -maxGrade || grade > maxGrade {
		return fmt.Errorf("want a grade from %d to %d, got %.40q", -maxGrade, maxGrade, fields[2])
	}
	if before, twice := qrels[query][document]; twice && before != grade {
		return fmt.Errorf("document %q of query %q was judged %d before and %d here", document, query, before, grade)
	}
	qrels.Add(query, document, grade)
	return nil
}

// ReadRun reads a run in TREC's form of six columns: query, any word, document,
// rank, score, tag. The rankings are in the order in which trec_eval evaluates
// them, by score and not by the rank in the file
// ([relevance.Ranking.SortTREC]). The tag is that of the first line.
func ReadRun(r io.Reader, name string) (run relevance.Run, tag string, err error) {
	run = relevance.Run{}
	seen := map[[2]string]struct{}{}
	err = eachLine(r, name, func(line []byte) error {
		fields := strings.Fields(string(line))
		if len(fields) != 6 {
			return fmt.Errorf("want 6 fields (query, Q0, document, rank, score, tag), got %d", len(fields))
		}
		query, document := fields[0], fields[2]
		if err := errors.Join(checkID("query id", query), checkID("document id", document)); err != nil {
			return err
		}
		score, err := strconv.ParseFloat(fields[4], 64)
		if err != nil || !(math.Abs(score) <= relevance.MaxScore) { // NaN as well
			return fmt.Errorf("want a number from %g to %g for the score, got %.40q", -relevance.MaxScore, relevance.MaxScore, fields[4])
		}
		pair := [2]string{query, document}
		if _, twice := seen[pair]; twice {
			return fmt.Errorf("document %q stands twice under query %q", document, query)
		}
		seen[pair] = struct{}{}
		if tag == "" {
			tag = fields[5]
		}
		run[query] = append(run[query], relevance.Hit{ID: document, Score: score})
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	for _, ranking := range run {
		ranking.SortTREC()
	}
	return run, tag, nil
}

// ReadQrelsFile reads the judgements in a file, gzipped if its name ends in
// .gz. See [ReadQrels].
func ReadQrelsFile(path string) (qrels relevance.Qrels, err error) {
	f, err := openPath(path)
	if err != nil {
		return nil, err
	}
	qrels, err = ReadQrels(f, path)
	return qrels, errors.Join(err, f.Close())
}

// ReadRunFile reads the run in a file, gzipped if its name ends in .gz. See
// [ReadRun].
func ReadRunFile(path string) (run relevance.Run, tag string, err error) {
	f, err := openPath(path)
	if err != nil {
		return nil, "", err
	}
	run, tag, err = ReadRun(f, path)
	return run, tag, errors.Join(err, f.Close())
}

// WriteQrels writes judgements in TREC's form, sorted by query and document.
func WriteQrels(w io.Writer, qrels relevance.Qrels) error {
	out := bufio.NewWriter(w)
	for _, query := range slices.Sorted(maps.Keys(qrels)) {
		for _, document := range slices.Sorted(maps.Keys(qrels[query])) {
			if err := checkWords(query, document); err != nil {
				return fmt.Errorf("write judgements: %w", err)
			}
			_, _ = fmt.Fprintf(out, "%s 0 %s %d\n", query, document, qrels[query][document])
		}
	}
	return out.Flush()
}

// WriteRun writes a run in TREC's form, sorted by query, in the order of the
// rankings. Scores are written so that they fall from line to line
// ([relevance.Ranking.WithoutTies]): programs that sort again find the same
// order.
func WriteRun(w io.Writer, run relevance.Run, tag string) error {
	out := bufio.NewWriter(w)
	for _, query := range slices.Sorted(maps.Keys(run)) {
		for i, h := range run[query].WithoutTies() {
			if err := checkWords(query, h.ID, tag); err != nil {
				return fmt.Errorf("write run: %w", err)
			}
			score := strconv.FormatFloat(h.Score, 'g', -1, 32)
			_, _ = fmt.Fprintf(out, "%s Q0 %s %d %s %s\n", query, h.ID, i+1, score, tag)
		}
	}
	return out.Flush()
}

// checkWords refuses what would come back as another number of columns.
func checkWords(words ...string) error {
	for _, word := range words {
		if word == "" || strings.ContainsFunc(word, unicode.IsSpace) {
			return fmt.Errorf("%q can't stand in a TREC file: it is empty or has white space", word)
		}
	}
	return nil
}
