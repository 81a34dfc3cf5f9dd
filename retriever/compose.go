package retriever

import "fmt"

// composed is one line of JSON made of parts of a request and of words of our
// own. It remembers where each part stands in the request.
type composed struct {
	bytes []byte
	parts []part
}

// part is a run of bytes that was copied from a request.
type part struct {
	at    int  // where it begins in the line
	from  span // where it stands in the request
	owner *node
	field string // the member of the owner that it is the value of
}

func (c *composed) write(format string, args ...any) {
	c.bytes = fmt.Appendf(c.bytes, format, args...)
}

// copy adds a part of the request. Line ends become blanks, which JSON has only
// between its tokens, so that offsets within the part stay what they are.
func (c *composed) copy(doc []byte, from span, owner *node, field string) {
	at := len(c.bytes)
	c.parts = append(c.parts, part{at, from, owner, field})
	c.bytes = append(c.bytes, from.of(doc)...)
	for i := at; i < len(c.bytes); i++ {
		if c.bytes[i] == '\n' || c.bytes[i] == '\r' {
			c.bytes[i] = ' '
		}
	}
}

// find tells which part holds a byte of the line, and where that byte stands in
// the request.
func (c *composed) find(at int) (p part, off int, ok bool) {
	for _, p := range c.parts {
		if p.at <= at && at < p.at+(p.from.end-p.from.off) {
			return p, p.from.off + at - p.at, true
		}
	}
	return part{}, 0, false
}
