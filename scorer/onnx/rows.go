package onnx

import (
	"slices"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/rerankd/rerankd/scorer/tokenizer"
)

// rows are the input of one run: pairs as rows of equal length. A worker uses
// one value again and again, so that its memory is allocated once.
type rows struct {
	count, length    int
	ids, mask, types []int64
}

// lay fills the rows with pairs, each padded to the longest.
func (r *rows) lay(pairs []tokenizer.Pair, padID uint32) {
	r.count, r.length = len(pairs), 1 // a frame without special tokens may leave a pair empty
	for _, p := range pairs {
		r.length = max(r.length, p.Len())
	}
	n := r.count * r.length
	r.ids = slices.Grow(r.ids[:0], n)[:n]
	r.mask = slices.Grow(r.mask[:0], n)[:n]
	r.types = slices.Grow(r.types[:0], n)[:n]
	for i, p := range pairs {
		row, used := i*r.length, p.Len()
		p.Fill(r.ids[row:], r.types[row:])
		for k := range r.length {
			if k < used {
				r.mask[row+k] = 1
				continue
			}
			r.ids[row+k], r.mask[row+k], r.types[row+k] = int64(padID), 0, 0
		}
	}
}

// tensors returns the inputs of those names, in their order. They share the memory of r. On
// error the caller still has to destroy those returned.
func (r *rows) tensors(names []string) ([]ort.Value, error) {
	shape := ort.NewShape(int64(r.count), int64(r.length))
	values := make([]ort.Value, 0, len(names))
	for _, name := range names {
		data := r.ids
		switch name {
		case inputMask:
			data = r.mask
		case inputType:
			data = r.types
		}
		t, err := ort.NewTensor(shape, data)
		if err != nil {
			return values, err
		}
		values = append(values, t)
	}
	return values, nil
}
