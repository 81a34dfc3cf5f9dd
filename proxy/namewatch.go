package proxy

import (
	"bytes"
	"io"

	"github.com/rerankd/rerankd/retriever"
)

// nameFinder looks for the retriever's name in a body that isn't parsed, piece by
// piece. In text the name counts as the key of a member only, with a colon behind
// it: a search for the very word is nobody's reranker. Between name and colon
// there may be a quote, an escaped one in a template, and blanks.
type nameFinder struct {
	anywhere bool   // the body is no text: any occurrence counts
	tail     []byte // of what was seen: what a match could begin with
}

// around are the bytes that may stand between the name and its colon.
const around = "\\\"' \t\r\n"

// feed takes the next piece and reports whether the name has been completed.
func (f *nameFinder) feed(piece []byte) bool {
	text := piece // a first piece may be many megabytes, and is not copied
	if len(f.tail) > 0 {
		text = append(f.tail, piece...)
	}
	rest, open := text, false
	for {
		i := bytes.Index(rest, []byte(retriever.Name))
		if i < 0 {
			break
		}
		rest = rest[i+len(retriever.Name):]
		next := bytes.TrimLeft(rest, around)
		if f.anywhere || len(next) > 0 && next[0] == ':' {
			return true
		}
		open = len(next) == 0
	}
	if open { // the blanks may go on for long; the name alone stands for it all
		f.tail = append(f.tail[:0], retriever.Name...)
		return false
	}
	f.tail = append(f.tail[:0], text[max(0, len(text)-len(retriever.Name)+1):]...)
	return false
}

// nameWatch reads through until the retriever's name has gone by, and fails then.
type nameWatch struct {
	r     io.Reader
	find  *nameFinder
	named error
}

// Read hands bytes on only after they were looked at.
func (w *nameWatch) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if w.find.feed(p[:n]) {
		return 0, w.named
	}
	return n, err
}
