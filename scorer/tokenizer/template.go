package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// segment says what a piece of a template stands for.
type segment byte

const (
	segmentSpecial segment = iota // fixed ids
	segmentQuery                  // sequence A
	segmentPassage                // sequence B
)

// piece is one element of a pair's frame.
type piece struct {
	segment segment
	ids     []uint32 // segmentSpecial only
	typeID  uint32
}

// template is the frame of a pair: special tokens around sequence A (the
// query) and sequence B (the passage), each of which occurs exactly once.
type template []piece

// maxProcessors bounds the parts of a Sequence post-processor; real files have two.
const maxProcessors = 16

// maxSpecial bounds the special tokens of a frame; real ones have three or four.
const maxSpecial = 64

// parseTemplate reads the frame from a post_processor.
func parseTemplate(raw json.RawMessage) (template, error) {
	var head struct {
		Type       string            `json:"type"`
		Processors []json.RawMessage `json:"processors"`
	}
	if len(raw) == 0 || string(raw) == "null" {
		return nil, errors.New("there is none, so the frame of a pair is unknown")
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, err
	}
	if head.Type != "Sequence" {
		t, err := parseProcessor(head.Type, raw)
		if err == nil && t == nil {
			err = fmt.Errorf("type %s does not say how to frame a pair", head.Type)
		}
		return t, err
	}
	if len(head.Processors) > maxProcessors {
		return nil, fmt.Errorf("sequence of %d processors, more than the limit of %d", len(head.Processors), maxProcessors)
	}
	var found template
	for _, p := range head.Processors {
		if err := json.Unmarshal(p, &head); err != nil {
			return nil, err
		}
		t, err := parseProcessor(head.Type, p)
		if err != nil {
			return nil, err
		}
		if t != nil && found != nil {
			return nil, errors.New("more than one processor frames a pair")
		}
		if t != nil {
			found = t
		}
	}
	if found == nil {
		return nil, errors.New("no processor of the sequence frames a pair")
	}
	return found, nil
}

// parseProcessor returns nil without an error for a processor that adds no tokens.
func parseProcessor(kind string, raw json.RawMessage) (template, error) {
	switch kind {
	case "BertProcessing", "RobertaProcessing":
		return parseFixed(kind, raw)
	case "TemplateProcessing":
		return parsePieces(raw)
	case "ByteLevel": // shifts offsets only, which are not used here
		return nil, nil
	default:
		return nil, fmt.Errorf("type %q is not known; want BertProcessing, RobertaProcessing, TemplateProcessing or a Sequence with one of them", kind)
	}
}

// parseFixed reads the two kinds whose frame is given by their name.
func parseFixed(kind string, raw json.RawMessage) (template, error) {
	var p struct {
		Sep [2]json.RawMessage `json:"sep"`
		Cls [2]json.RawMessage `json:"cls"`
	}
	var sep, cls uint32
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(p.Sep[1], &sep); err != nil {
		return nil, fmt.Errorf("read id of sep: %w", err)
	}
	if err := json.Unmarshal(p.Cls[1], &cls); err != nil {
		return nil, fmt.Errorf("read id of cls: %w", err)
	}
	if kind == "RobertaProcessing" { // a doubled separator and no type ids
		return template{
			{ids: []uint32{cls}},
			{segment: segmentQuery},
			{ids: []uint32{sep, sep}},
			{segment: segmentPassage},
			{ids: []uint32{sep}},
		}, nil
	}
	return template{
		{ids: []uint32{cls}},
		{segment: segmentQuery},
		{ids: []uint32{sep}},
		{segment: segmentPassage, typeID: 1},
		{ids: []uint32{sep}, typeID: 1},
	}, nil
}

type templateElement struct {
	ID     string `json:"id"`
	TypeID uint32 `json:"type_id"`
}

// parsePieces reads a TemplateProcessing, which spells its frame out.
func parsePieces(raw json.RawMessage) (template, error) {
	var p struct {
		Pair []struct {
			SpecialToken *templateElement
			Sequence     *templateElement
		} `json:"pair"`
		SpecialTokens map[string]struct {
			IDs []uint32 `json:"ids"`
		} `json:"special_tokens"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, err
	}
	var t template
	count := map[segment]int{}
	for i, e := range p.Pair {
		switch {
		case e.SpecialToken != nil:
			token, ok := p.SpecialTokens[e.SpecialToken.ID]
			if !ok {
				return nil, fmt.Errorf("pair[%d]: special token %q has no ids", i, e.SpecialToken.ID)
			}
			t = append(t, piece{ids: token.IDs, typeID: e.SpecialToken.TypeID})
		case e.Sequence != nil && e.Sequence.ID == "A":
			t = append(t, piece{segment: segmentQuery, typeID: e.Sequence.TypeID})
		case e.Sequence != nil && e.Sequence.ID == "B":
			t = append(t, piece{segment: segmentPassage, typeID: e.Sequence.TypeID})
		default:
			return nil, fmt.Errorf("pair[%d]: want a SpecialToken or the Sequence A or B", i)
		}
		count[t[i].segment]++
	}
	if count[segmentQuery] != 1 || count[segmentPassage] != 1 {
		return nil, fmt.Errorf("pair holds sequence A %d times and B %d times; want each once", count[segmentQuery], count[segmentPassage])
	}
	if n := t.special(); n > maxSpecial {
		return nil, fmt.Errorf("pair holds %d special tokens, more than the limit of %d", n, maxSpecial)
	}
	return t, nil
}

// special counts the fixed tokens of the frame.
func (t template) special() int {
	n := 0
	for _, p := range t {
		n += len(p.ids)
	}
	return n
}

// String is canonical: equal frames give equal strings.
func (t template) String() string {
	var parts []string
	for _, p := range t {
		switch p.segment {
		case segmentQuery:
			parts = append(parts, fmt.Sprintf("A:%d", p.typeID))
		case segmentPassage:
			parts = append(parts, fmt.Sprintf("B:%d", p.typeID))
		case segmentSpecial:
			for _, id := range p.ids {
				parts = append(parts, fmt.Sprintf("%d:%d", id, p.typeID))
			}
		}
	}
	return strings.Join(parts, " ")
}
