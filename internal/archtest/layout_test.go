package archtest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// module is the project's own import path.
const module = "github.com/rerankd/rerankd"

// layout is the table of docs/architecture.md, the only copy there is: for each
// package the rule on which project packages its non-test files may import.
type layout map[string]rule

// rule is the third cell of a row.
type rule struct {
	allBut bool     // the names are what may not be imported
	names  []string // packages, or folders with all below them ("scorer/…")
}

// permits reports whether a package under the rule may import target.
func (r rule) permits(target string) bool {
	named := slices.ContainsFunc(r.names, func(name string) bool {
		folder, whole := strings.CutSuffix(name, "/…")
		return target == folder || (whole || r.allBut) && strings.HasPrefix(target, folder+"/")
	})
	return named != r.allBut
}

// header is the line that begins the table.
const header = "| Path | One responsibility | May import (project) |"

// quoted matches the code spans of a cell.
var quoted = regexp.MustCompile("`([^`]+)`")

// parseLayout reads the table out of the page. Every row must have the form
//
//	| `package` | what it is for | rule |
//
// where rule is a dash (no import), a list of packages, or "all but" such a list.
func parseLayout(page string) (layout, error) {
	_, rest, ok := strings.Cut(page, header+"\n")
	if !ok {
		return nil, fmt.Errorf("parse layout: no line %q", header)
	}
	table := layout{}
	for line := range strings.Lines(rest) {
		line = strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, "|"):
			return table, nil
		case strings.HasPrefix(line, "| ---"):
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		name := quoted.FindStringSubmatch(cells[0])
		if len(cells) != 3 || name == nil {
			return nil, fmt.Errorf("parse layout: want three cells, the first a package, got %q", line)
		}
		if _, twice := table[name[1]]; twice {
			return nil, fmt.Errorf("parse layout: two rows for %s", name[1])
		}
		r, err := parseRule(strings.TrimSpace(cells[2]))
		if err != nil {
			return nil, fmt.Errorf("parse layout: row of %s: %w", name[1], err)
		}
		table[name[1]] = r
	}
	return table, nil
}

// parseRule refuses any word that it does not understand: a rule that is
// misread would let an import pass.
func parseRule(cell string) (rule, error) {
	if cell == "–" {
		return rule{}, nil
	}
	var r rule
	list := cell
	list, r.allBut = strings.CutPrefix(list, "all but ")
	for item := range strings.SplitSeq(list, ", ") {
		name := quoted.FindStringSubmatch(item)
		if name == nil || name[0] != item {
			return rule{}, fmt.Errorf("want –, a list of packages or \"all but\" one, got %q", cell)
		}
		r.names = append(r.names, name[1])
	}
	return r, nil
}
