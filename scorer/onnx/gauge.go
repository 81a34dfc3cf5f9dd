package onnx

import (
	"context"
	"errors"
	"fmt"
	"time"

	ort "github.com/yalue/onnxruntime_go"
	"golang.org/x/sync/errgroup"
)

const (
	// gaugeSize is the rows and columns of the matrices that a Gauge multiplies,
	// as a transformer's are wide: large enough that the time is the product's,
	// small enough that they stay in the core's cache.
	gaugeSize = 512

	// gaugeProducts is how many products each worker makes for one value: about a
	// tenth of a second's work, beside which the start of the workers is nothing.
	gaugeProducts = 32
)

// Gauge measures how many floating-point operations a second the machine does
// in fp32 by ONNX Runtime, as a yardstick for models: a product of two square
// matrices, the right one constant as weights are, run by as many workers and
// with the same session options as an [Engine]. It is for one caller at a time.
type Gauge struct {
	session *ort.DynamicAdvancedSession
	// One of each for each worker. The memory of the products is there before the
	// run: to have it made for each costs a sixth of one worker's speed and half of two workers'.
	left, product []ort.Value
}

// NewGauge prepares a measurement with so many workers. [Init] must have succeeded.
func NewGauge(workers int) (*Gauge, error) {
	if !initialized() {
		return nil, errors.New("ONNX Runtime is not loaded: call Init first")
	}
	if workers < 1 || workers > mostWorkers {
		return nil, fmt.Errorf("workers is %d, want 1 to %d", workers, mostWorkers)
	}
	options, err := sessionOptions()
	if err != nil {
		return nil, fmt.Errorf("set session options: %w", err)
	}
	defer func() { _ = options.Destroy() }()
	session, err := ort.NewDynamicAdvancedSessionWithONNXData(productModel(gaugeSize), []string{"left"}, []string{"product"}, options)
	if err != nil {
		return nil, fmt.Errorf("load the product of two matrices: %w", err)
	}
	g := &Gauge{session: session}
	for range workers {
		if err := errors.Join(addMatrix(&g.left), addMatrix(&g.product)); err != nil {
			return nil, errors.Join(fmt.Errorf("make a matrix: %w", err), g.Close())
		}
	}
	return g, nil
}

func addMatrix(list *[]ort.Value) error {
	t, err := ort.NewTensor(ort.NewShape(gaugeSize, gaugeSize), matrix(gaugeSize))
	if err == nil {
		*list = append(*list, t)
	}
	return err
}

// Measure returns floating-point operations a second, of all workers together. A
// multiplication with an addition counts as two, as it does in [Work].
func (g *Gauge) Measure(ctx context.Context) (float64, error) {
	group, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for i := range g.left {
		left, product := g.left[i:i+1], g.product[i:i+1]
		group.Go(func() error {
			for range gaugeProducts {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := g.session.Run(left, product); err != nil {
					return fmt.Errorf("multiply two matrices: %w", err)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	operations := 2 * gaugeSize * gaugeSize * gaugeSize * float64(gaugeProducts*len(g.left))
	return operations / time.Since(start).Seconds(), nil
}

// Close frees the matrices.
func (g *Gauge) Close() error {
	destroy(g.left)
	destroy(g.product)
	return g.session.Destroy()
}
