package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/rerankd/rerankd/configs"
)

// cutLimit is how long requests get to notice that they were cut short before
// their connections are closed under them.
const cutLimit = 3 * time.Second

// server is one listener with its handler.
type server struct {
	name     string
	listener net.Listener
	http     *http.Server
	cut      context.CancelFunc // ends the context of every request
	ended    chan struct{}      // closed when serve has returned
	started  bool
}

// listen binds the address, so that port 0 has become a real one, and accepts
// nothing yet.
func listen(ctx context.Context, name, address string, handler http.Handler, limits configs.Limits, logger *slog.Logger) (*server, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for the %s: %w", name, err)
	}
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	return &server{
		name:     name,
		listener: l,
		http: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: limits.HeaderTimeout,
			IdleTimeout:       limits.IdleTimeout,
			// No limits on whole requests and answers: bulk uploads and scrolls
			// take as long as they take.
			BaseContext: func(net.Listener) context.Context { return requests },
			// What goes wrong here is mostly a client's: a port scan, a broken TLS hello.
			ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		},
		cut:   cut,
		ended: make(chan struct{}),
	}, nil
}

// start serves until stop. An error that ends the serving goes to failed, which
// must have room for it.
func (s *server) start(failed chan<- error) {
	s.started = true
	go func() {
		defer close(s.ended)
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serve the %s: %w", s.name, err)
		}
	}()
}

// stop takes no more requests and waits for those in flight until ctx ends; then
// it cuts them short, which is an error.
func (s *server) stop(ctx context.Context) error {
	defer s.cut()
	if !s.started {
		return s.listener.Close()
	}
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("cut requests short: %w", err)
		s.cut()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutLimit)
		defer cancel()
		if s.http.Shutdown(last) != nil {
			err = errors.Join(err, s.http.Close())
		}
	}
	<-s.ended
	return err
}
