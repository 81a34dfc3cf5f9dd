package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// connections is how many clients send at the same time, each on one connection
// that it keeps.
const connections = 16

// connection sends one request again and again. It reads answers itself: the
// client of net/http takes more time than some of the proxies.
type connection struct {
	net.Conn

	answers *bufio.Reader
	request []byte
}

func dial(ctx context.Context, port string, request []byte) (*connection, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", "127.0.0.1:"+port)
	if err != nil {
		return nil, err
	}
	return &connection{c, bufio.NewReaderSize(c, 16<<10), request}, nil
}

// ask returns when the last byte of the answer is there.
func (c *connection) ask() (time.Duration, error) {
	start := time.Now()
	if _, err := c.Write(c.request); err != nil {
		return 0, err
	}
	res, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, res.Body)
	took := time.Since(start)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return 0, err
	}
	if res.StatusCode != http.StatusOK || res.Close || n < small/2 {
		return 0, fmt.Errorf("status %d, %d bytes, connection closed: %t", res.StatusCode, n, res.Close)
	}
	return took, nil
}

// load is what came of sending for a while.
type load struct {
	took   []time.Duration // of each request that was answered
	failed int             // requests that were not, with err the last reason
	err    error
}

// mostFailed is the share of requests that a proxy may fail and still be measured:
// Debian's Caddy breaks some off whose bodies are large both ways.
const mostFailed = 0.05

// send sends from several connections until the time is up. It fails if more than
// a few requests do, or one when it begins.
func send(ctx context.Context, port string, request []byte, connections int, length time.Duration) (load, error) {
	var group sync.WaitGroup
	each := make([]load, connections)
	end := time.Now().Add(length)
	for i := range connections {
		group.Go(func() { each[i] = sendOne(ctx, port, request, end) })
	}
	group.Wait()
	var all load
	for _, l := range each {
		all.took, all.failed, all.err = append(all.took, l.took...), all.failed+l.failed, errors.Join(all.err, l.err)
	}
	if float64(all.failed) > mostFailed*float64(len(all.took)) {
		return all, all.err
	}
	return all, nil
}

// sendOne is send from one connection, which is replaced when a request fails. It
// sends one at least.
func sendOne(ctx context.Context, port string, request []byte, end time.Time) load {
	var l load
	for first := true; first || l.failed < connections && time.Now().Before(end); first = false {
		c, err := dial(ctx, port, request)
		for again := first; err == nil && (again || time.Now().Before(end)); again = false {
			var t time.Duration
			if t, err = c.ask(); err == nil {
				l.took = append(l.took, t)
			}
		}
		if c != nil {
			_ = c.Close()
		}
		if err != nil {
			l.failed, l.err = l.failed+1, err
		}
	}
	return l
}
