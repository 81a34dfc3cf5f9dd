package chunking

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Names of the settings.
const (
	keyStrategy   = "strategy"
	keySize       = "max_chunk_size"
	keyOverlap    = "overlap"
	keySentences  = "sentence_overlap"
	keyGroup      = "separator_group"
	keySeparators = "separators"
)

// scope is the name of the whole in messages.
const scope = "chunking_settings"

// Parse reads the chunking_settings of a chunk_rescorer, a JSON object or null.
// Null and an empty object are the defaults, and so is a size alone but for the
// size: sentences without overlap, of defaultWords words or those named. All else
// needs a strategy. The error is an *InvalidError or an ArgumentError with
// Elasticsearch's text.
func Parse(settings []byte, defaultWords int) (Settings, error) {
	in, err := read(settings)
	if err != nil {
		return Settings{}, err
	}
	if len(in.values) == 0 {
		return BySentence(defaultWords)
	}
	if size, only := in.values[keySize]; only && len(in.values) == 1 {
		if size == nil {
			return BySentence(DefaultWords)
		}
		words := in.integer(keySize)
		if len(in.problems) > 0 {
			return Settings{}, in.err()
		}
		return BySentence(*words)
	}
	strategy, ok := in.values[keyStrategy]
	if !ok {
		return Settings{}, ArgumentError("Can't generate Chunker without ChunkingStrategy provided")
	}
	var s Settings
	switch name := Strategy(shown(strategy)); name {
	case None: // whatever stands beside it
		return Settings{Strategy: None}, nil
	case Word:
		s = in.word()
	case Sentence:
		s = in.sentence()
	case Recursive:
		s = in.recursive()
	default:
		return Settings{}, ArgumentError("Invalid chunkingStrategy " + string(name))
	}
	return s, in.err()
}

// input is a settings object with what is found wrong in it.
type input struct {
	names    []string // in the order of the object
	values   map[string]any
	problems []string
}

// read decodes an object one level deep. The last of several values of a name
// counts.
func read(settings []byte) (*input, error) {
	in := &input{values: map[string]any{}}
	d := json.NewDecoder(bytes.NewReader(settings))
	d.UseNumber()
	if open, err := d.Token(); err != nil {
		return nil, ArgumentError("[" + scope + "] is not JSON")
	} else if open == nil {
		return in, nil
	} else if open != json.Delim('{') {
		return nil, ArgumentError("[" + scope + "] is not an object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, ArgumentError("[" + scope + "] is not JSON")
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return nil, ArgumentError("[" + scope + "] is not JSON")
		}
		key := fmt.Sprint(name) // a string: the decoder sees to it
		if _, twice := in.values[key]; !twice {
			in.names = append(in.names, key)
		}
		in.values[key] = value
	}
	return in, nil
}

func (in *input) problem(format string, args ...any) {
	in.problems = append(in.problems, fmt.Sprintf(format, args...))
}

func (in *input) err() error {
	if len(in.problems) == 0 {
		return nil
	}
	return &InvalidError{Problems: in.problems}
}

// only reports names that a strategy doesn't know.
func (in *input) only(strategy string, known ...string) {
	var others []string
	for _, name := range in.names {
		if name != keyStrategy && name != keySize && !slices.Contains(known, name) {
			others = append(others, name)
		}
	}
	if len(others) > 0 {
		in.problem("%s chunking settings can not have the following settings: [%s]", strategy, strings.Join(others, ", "))
	}
}

func (in *input) word() Settings {
	in.only("Word based", keyOverlap)
	s := Settings{Strategy: Word}
	size := in.size(minWords)
	if size == nil {
		return s
	}
	s.MaxChunkSize = *size
	if overlap := in.positive(keyOverlap); overlap != nil {
		s.Overlap = *overlap
		if most := *size / 2; *overlap > most {
			in.problem("[%s] Invalid value [%d.0]. [%s] must be a less than or equal to [%d.0]", scope, *overlap, keyOverlap, most)
		}
	}
	return s
}

func (in *input) sentence() Settings {
	in.only("Sentence based", keySentences)
	s := Settings{Strategy: Sentence, Overlap: 1}
	if size := in.size(minSentenceWords); size != nil {
		s.MaxChunkSize = *size
	}
	if overlap := in.integer(keySentences); overlap != nil {
		s.Overlap = *overlap
		if *overlap != 0 && *overlap != 1 {
			in.problem("%s[%d] must be either 0 or 1", keySentences, *overlap)
		}
	}
	return s
}

func (in *input) recursive() Settings {
	in.only("Recursive", keyGroup, keySeparators)
	s := Settings{Strategy: Recursive}
	if size := in.size(minWords); size != nil {
		s.MaxChunkSize = *size
	}
	group, named := in.group(), in.strings(keySeparators)
	switch {
	case named != nil && group != nil:
		in.problem("Recursive chunking settings can not have both separators and separator_set")
	case named == nil && group == nil:
		named = separatorGroups["plaintext"]
	case named == nil:
		named = group
	case len(named) == 0:
		in.problem("Recursive chunking settings can not have an empty list of separators")
	case len(named) > maxSeparators:
		in.problem("%s list size [%d] must not exceed [%d]", keySeparators, len(named), maxSeparators)
	}
	if len(in.problems) > 0 {
		return s
	}
	for _, expression := range named {
		one, err := newSeparator(expression)
		if err != nil {
			in.problem("[%s] Invalid value [%s]. [%s] %v", scope, expression, keySeparators, err)
			continue
		}
		s.separators = append(s.separators, one)
	}
	return s
}

// group is the list of separators that a group stands for, or nil.
func (in *input) group() []string {
	value, ok := in.values[keyGroup]
	if !ok || value == nil {
		return nil
	}
	name, ok := value.(string)
	switch {
	case !ok:
		in.wrongType(keyGroup, value, "String")
		return nil
	case name == "":
		in.problem("[%s] Invalid value empty string. [%s] must be a non-empty string", scope, keyGroup)
		return nil
	}
	list, ok := separatorGroups[strings.ToLower(strings.TrimSpace(name))]
	if !ok {
		in.problem("[%s] Invalid value [%s] received. [%s] must be one of [markdown, plaintext]", scope, name, keyGroup)
	}
	return list
}

// strings is a list of strings, nil if it is absent or wrong.
func (in *input) strings(key string) []string {
	value, ok := in.values[key]
	if !ok || value == nil {
		return nil
	}
	items, ok := value.([]any)
	if !ok {
		in.wrongType(key, value, "List")
		return nil
	}
	list := make([]string, 0, len(items))
	for _, item := range items {
		text, ok := item.(string)
		if !ok {
			in.wrongType(key, item, "String")
			return nil
		}
		list = append(list, text)
	}
	return list
}

func (in *input) wrongType(key string, value any, want string) {
	in.problem("field [%s] is not of the expected type. The value [%s] cannot be converted to a [%s]", key, shown(value), want)
}

// size is the required max_chunk_size, nil if there is none of at least so many
// words.
func (in *input) size(least int) *int {
	size := in.positive(keySize)
	if size != nil && *size < least {
		in.problem("[%s] Invalid value [%d.0]. [%s] must be a greater than or equal to [%d.0]", scope, *size, keySize, least)
		return nil
	}
	return size
}

// positive is a required integer above 0.
func (in *input) positive(key string) *int {
	found := len(in.problems)
	n := in.integer(key)
	switch {
	case len(in.problems) > found:
		return nil
	case n == nil:
		in.problem("[%s] does not contain the required setting [%s]", scope, key)
	case *n <= 0:
		in.problem("[%s] Invalid value [%d]. [%s] must be a positive integer", scope, *n, key)
		return nil
	}
	return n
}

// integer is a 32-bit integer spelt without a fraction, nil if it is absent.
func (in *input) integer(key string) *int {
	value, ok := in.values[key]
	if !ok || value == nil {
		return nil
	}
	if number, ok := value.(json.Number); ok {
		if n, err := strconv.ParseInt(number.String(), 10, 32); err == nil {
			return new(int(n))
		}
	}
	in.wrongType(key, value, "Integer")
	return nil
}

// shown is a value as a message shows it.
func shown(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return "?"
	}
	return string(text)
}
