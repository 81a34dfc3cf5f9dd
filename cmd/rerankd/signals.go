package main

import (
	"context"
	"os"
)

// interrupts turns signals into contexts: the first ends drain, the second cut
// as well. release ends both and what runs for them.
func interrupts(signals <-chan os.Signal) (drain, cut context.Context, release func()) {
	cut, endCut := context.WithCancel(context.Background())
	drain, endDrain := context.WithCancel(cut)
	quit := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for _, end := range []func(){endDrain, endCut} {
			select {
			case <-signals:
				end()
			case <-quit:
				return
			}
		}
	}()
	return drain, cut, func() {
		close(quit)
		<-ended
		endCut()
	}
}
