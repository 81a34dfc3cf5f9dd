package app

import (
	"context"

	"github.com/rerankd/rerankd/scorer/onnx"
)

// Work counts the operations of a pair of so many tokens in the model that
// [OpenEngine] opens by the same name: see [onnx.Work]. It has to have been opened
// before.
func Work(ctx context.Context, name string, tokens int) (float64, error) {
	files, err := openFiles(name)
	if err != nil {
		return 0, err
	}
	return onnx.Work(ctx, files, 1, tokens)
}
