package collection

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/rerankd/rerankd/internal/relevance"
)

// Document is one entry of a corpus.
type Document struct{ ID, Title, Text string }

// Passage returns what is searched and scored: title and text, a space between
// them.
func (d Document) Passage() string {
	return strings.TrimSpace(d.Title + " " + d.Text)
}

// Query is one question.
type Query struct{ ID, Text string }

// Collection is a corpus with queries and judgements. It is not changed after
// [Open] and safe for concurrent reading.
type Collection struct {
	// Documents and Queries stand in the order of their files, each id once.
	Documents []Document
	Queries   []Query
	Qrels     relevance.Qrels
}

// Options choose what [Open] reads.
type Options struct {
	// WithoutDocuments leaves the corpus unread.
	WithoutDocuments bool
	// Qrels, if not nil, take the place of those in the folder.
	Qrels relevance.Qrels
}

// qrelsNames are where judgements are looked for, in this order: this project's
// own layout, that of BEIR's archives, and TREC's.
var qrelsNames = []string{"qrels.tsv", "qrels/test.tsv", "qrels.txt", "qrels.trec"}

// zeroName holds pairs that were judged and found not relevant, where they stand
// apart from the others.
const zeroName = "qrels-zero.tsv"

// Open reads a folder in BEIR layout: corpus.jsonl, queries.jsonl and qrels.tsv
// (or qrels/test.tsv, or TREC's qrels.txt or qrels.trec), each plain or as .gz.
// Judgements in qrels-zero.tsv are added where it exists, for queries that have
// others: without those a query is not evaluated.
func Open(folder fs.FS, o Options) (*Collection, error) {
	c := &Collection{Qrels: o.Qrels}
	if !o.WithoutDocuments {
		err := readFile(folder, "corpus.jsonl", func(r io.Reader, name string) (err error) {
			c.Documents, err = readDocuments(r, name)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read the corpus: %w", err)
		}
	}
	err := readFile(folder, "queries.jsonl", func(r io.Reader, name string) (err error) {
		c.Queries, err = readQueries(r, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the queries: %w", err)
	}
	if c.Qrels == nil {
		if c.Qrels, err = folderQrels(folder); err != nil {
			return nil, fmt.Errorf("read the judgements: %w", err)
		}
	}
	return c, nil
}

// Judged returns the queries that have judgements, in order.
func (c *Collection) Judged() []Query {
	var judged []Query
	for _, q := range c.Queries {
		if len(c.Qrels[q.ID]) > 0 {
			judged = append(judged, q)
		}
	}
	return judged
}

// Missing counts what the judgements name and the files lack: queries, and
// relevant documents, which no ranking can have and recall and nDCG count
// nevertheless. Without a corpus there are 0 documents.
func (c *Collection) Missing() (queries, documents int) {
	texts, corpus := map[string]bool{}, map[string]bool{}
	for _, q := range c.Queries {
		texts[q.ID] = true
	}
	for _, d := range c.Documents {
		corpus[d.ID] = true
	}
	lost := map[string]bool{}
	for query, grades := range c.Qrels {
		if !texts[query] {
			queries++
			continue
		}
		for id, grade := range grades {
			if grade > 0 && len(corpus) > 0 && !corpus[id] {
				lost[id] = true
			}
		}
	}
	return queries, len(lost)
}

func folderQrels(folder fs.FS) (relevance.Qrels, error) {
	for _, name := range qrelsNames {
		qrels, err := readQrelsIn(folder, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		zero, err := readQrelsIn(folder, zeroName)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		addMissing(qrels, zero)
		return qrels, nil
	}
	return nil, fmt.Errorf("open one of %s: %w", strings.Join(qrelsNames, ", "), fs.ErrNotExist)
}

func readQrelsIn(folder fs.FS, name string) (qrels relevance.Qrels, err error) {
	err = readFile(folder, name, func(r io.Reader, name string) (err error) {
		qrels, err = ReadQrels(r, name)
		return err
	})
	return qrels, err
}

func addMissing(qrels, zero relevance.Qrels) {
	for query, grades := range zero {
		for document, grade := range grades {
			if _, judged := qrels[query][document]; qrels[query] != nil && !judged {
				qrels.Add(query, document, grade)
			}
		}
	}
}

func readFile(folder fs.FS, name string, read func(r io.Reader, name string) error) error {
	f, found, err := openEither(folder, name)
	if err != nil {
		return err
	}
	return errors.Join(read(f, found), f.Close())
}

// record is a line of corpus.jsonl or queries.jsonl; other keys are left unread.
type record struct {
	ID    identifier `json:"_id"`
	Title string     `json:"title"`
	Text  string     `json:"text"`
}

// identifier takes a JSON number by its digits: some collections number their
// documents.
type identifier string

func (id *identifier) UnmarshalJSON(text []byte) error {
	var number json.Number
	if err := json.Unmarshal(text, (*string)(id)); err == nil {
		return nil
	}
	if err := json.Unmarshal(text, &number); err != nil {
		return errors.New("_id must be a string or a number")
	}
	*id = identifier(number)
	return nil
}

func readDocuments(r io.Reader, name string) ([]Document, error) {
	var documents []Document
	err := eachRecord(r, name, func(rec record) error {
		documents = append(documents, Document{ID: string(rec.ID), Title: rec.Title, Text: rec.Text})
		return nil
	})
	return documents, err
}

func readQueries(r io.Reader, name string) ([]Query, error) {
	var queries []Query
	err := eachRecord(r, name, func(rec record) error {
		if strings.TrimSpace(rec.Text) == "" {
			return errors.New("the query has no text")
		}
		queries = append(queries, Query{ID: string(rec.ID), Text: rec.Text})
		return nil
	})
	return queries, err
}

func eachRecord(r io.Reader, name string, use func(record) error) error {
	seen := map[identifier]struct{}{}
	return eachLine(r, name, func(line []byte) error {
		var rec record
		if err := json.Unmarshal(line, &rec); err != nil {
			return err
		}
		if err := checkID("_id", string(rec.ID)); err != nil {
			return err
		}
		if _, twice := seen[rec.ID]; twice {
			return fmt.Errorf("the _id %q stands in the file before", rec.ID)
		}
		seen[rec.ID] = struct{}{}
		return use(rec)
	})
}
