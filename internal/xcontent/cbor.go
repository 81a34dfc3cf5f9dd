package xcontent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// Limits of a CBOR body. Decoded, a byte may take eighty.
const (
	maxCBORBytes = 1 << 20
	maxCBORDepth = 64
	maxCBORParts = 128 << 10
)

// decodeMode reads hostile CBOR: no tags, no name twice, only names that are
// texts.
var decodeMode = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:  maxCBORDepth,
		MaxArrayElements: maxCBORParts,
		MaxMapPairs:      maxCBORParts,
		TagsMd:           cbor.TagsForbidden,
		DefaultMapType:   reflect.TypeFor[map[string]any](),
	}.DecMode()
	if err != nil {
		panic("xcontent: CBOR options: " + err.Error()) // they are constants
	}
	return mode
}()

// selfDescribed is the tag by which clients mark a body as CBOR.
var selfDescribed = []byte{0xd9, 0xd9, 0xf7}

func cborToJSON(body []byte) ([]byte, error) {
	if len(body) > maxCBORBytes {
		return nil, fmt.Errorf("%w: CBOR of more than %d bytes", ErrSyntax, maxCBORBytes)
	}
	var value any
	if err := decodeMode.Unmarshal(bytes.TrimPrefix(body, selfDescribed), &value); err != nil {
		return nil, fmt.Errorf("%w: not CBOR", ErrSyntax) // the library's own words quote the body
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return nil, fmt.Errorf("%w: a value that JSON has none for", ErrSyntax)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), nil
}

// jsonToCBOR writes objects and arrays of open length, as Elasticsearch does.
func jsonToCBOR(body []byte) ([]byte, error) {
	var out bytes.Buffer
	if err := walk(body, cborWriter{cbor.NewEncoder(&out)}); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

type cborWriter struct{ e *cbor.Encoder }

func (w cborWriter) open(object, _ bool) error {
	if object {
		return w.e.StartIndefiniteMap()
	}
	return w.e.StartIndefiniteArray()
}

func (w cborWriter) shut() error { return w.e.EndIndefinite() }

func (w cborWriter) name(text string) error { return w.e.Encode(text) }

func (w cborWriter) scalar(value any) error {
	n, ok := value.(json.Number)
	if !ok {
		return w.e.Encode(value)
	}
	if !strings.ContainsAny(string(n), ".eE") {
		if whole, ok := new(big.Int).SetString(string(n), 10); ok {
			return w.e.Encode(whole) // as an integer of its own size where it fits one
		}
	}
	f, err := n.Float64()
	if err != nil {
		return fmt.Errorf("%w: a number out of range", ErrSyntax)
	}
	return w.e.Encode(f)
}
