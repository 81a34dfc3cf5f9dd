package configs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Rule has ordinary searches reranked, for clients that can't put a reranker into
// the body. Without one nothing but a reranker in the body does.
type Rule struct {
	// Index is a pattern for every index name of the search's path; in it only * is
	// special. A search without an index matches * alone.
	Index string `yaml:"index"`
	// Field is the document field whose text is scored; no pattern.
	Field string `yaml:"field"`
	// Endpoint is an id of the endpoints; empty: rerank.default_endpoint.
	Endpoint string `yaml:"endpoint"`
	// Window is how many of the first hits are reranked; 0: rerank.default_window.
	Window int `yaml:"window"`
	// Query says where the text to score against comes from: RuleQueryAny, which
	// empty means too, RuleQueryRequest or RuleQueryBody.
	Query string `yaml:"query"`
	// Apply says which searches the rule is for: RuleApplyAsked, which empty means
	// too, or RuleApplyAlways.
	Apply string `yaml:"apply"`
}

// Values of [Rule.Query].
const (
	RuleQueryAny     = "any"     // of the request, or else of the body
	RuleQueryRequest = "request" // the header X-Rerankd-Query or the URL parameter rerankd_query
	RuleQueryBody    = "body"    // what the search itself looks for
)

// Values of [Rule.Apply].
const (
	RuleApplyAsked  = "asked"  // those with the header X-Rerankd-Rerank or the URL parameter rerankd
	RuleApplyAlways = "always" // all that don't say false there
)

// maxRules bounds what is looked through for each search.
const maxRules = 64

func validateRules(p *problems, rules []Rule, endpoints []Endpoint, window int) {
	if len(rules) > 0 {
		between(p, "rules", len(rules), 1, maxRules)
	}
	for i, r := range rules {
		path := fmt.Sprintf("rules[%d]", i)
		if r.Index == "" || strings.ContainsFunc(r.Index, notInNames) || strings.ContainsAny(r.Index, ",;") {
			p.add(path+".index", "want one index name or pattern, got %q", clip(r.Index))
		}
		if r.Field == "" || strings.ContainsFunc(r.Field, notInNames) || strings.ContainsAny(r.Field, "*,;") {
			p.add(path+".field", "want the name of one field, got %q", clip(r.Field))
		}
		if r.Endpoint != "" && !slices.ContainsFunc(endpoints, func(e Endpoint) bool { return e.ID == r.Endpoint }) {
			p.add(path+".endpoint", "%q is not the id of any of endpoints", clip(r.Endpoint))
		}
		between(p, path+".window", r.Window, 0, max(1, window))
		p.oneOf(path+".query", r.Query, "", RuleQueryAny, RuleQueryRequest, RuleQueryBody)
		p.oneOf(path+".apply", r.Apply, "", RuleApplyAsked, RuleApplyAlways)
	}
}

func notInNames(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }

// ruleKeys are the keys of a rule in its text, in order.
var ruleKeys = []string{"index", "field", "endpoint", "window", "query", "apply"}

// parseRules reads rules from a variable or flag: key=value pairs separated by
// semicolons, and rules separated by commas.
func parseRules(text string) ([]Rule, error) {
	var list []Rule
	for _, one := range splitList(text) {
		var r Rule
		for pair := range strings.SplitSeq(one, ";") {
			key, value, found := strings.Cut(pair, "=")
			if !found {
				return nil, fmt.Errorf("want key=value pairs separated by semicolons, got %q", clip(pair))
			}
			if err := r.set(strings.TrimSpace(key), strings.TrimSpace(value)); err != nil {
				return nil, err
			}
		}
		list = append(list, r)
	}
	return list, nil
}

func (r *Rule) set(key, value string) (err error) {
	switch key {
	case "index":
		r.Index = value
	case "field":
		r.Field = value
	case "endpoint":
		r.Endpoint = value
	case "window":
		if r.Window, err = strconv.Atoi(value); err != nil {
			return fmt.Errorf("window: want a whole number, got %q", clip(value))
		}
	case "query":
		r.Query = value
	case "apply":
		r.Apply = value
	default:
		return fmt.Errorf("a rule has no key %q, want one of %s", clip(key), strings.Join(ruleKeys, ", "))
	}
	return nil
}

// String is the rule as parseRules reads it, without what is left out.
func (r Rule) String() string {
	window := ""
	if r.Window != 0 {
		window = strconv.Itoa(r.Window)
	}
	var pairs []string
	for i, value := range []string{r.Index, r.Field, r.Endpoint, window, r.Query, r.Apply} {
		if value != "" {
			pairs = append(pairs, ruleKeys[i]+"="+value)
		}
	}
	return strings.Join(pairs, ";")
}
