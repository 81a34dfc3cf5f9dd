package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// Flavour is the kind of cluster behind the proxy.
type Flavour string

// Flavours of [UpstreamOptions].
const (
	FlavourElasticsearch Flavour = "elasticsearch"
	FlavourOpenSearch    Flavour = "opensearch"
	// FlavourAuto has the cluster asked once.
	FlavourAuto Flavour = "auto"
)

// maxRootPage bounds the root page of a cluster, which has half a kilobyte.
const maxRootPage = 64 << 10

// flavour is what is known of the kind of cluster. It is safe for concurrent use.
type flavour struct {
	mu    sync.RWMutex
	known Flavour // FlavourAuto as long as it is not
	told  func(Flavour)
}

func (f *flavour) get() Flavour {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.known
}

// learn keeps the first finding.
func (f *flavour) learn(found Flavour) {
	f.mu.Lock()
	fresh := f.known == FlavourAuto && found != FlavourAuto
	if fresh {
		f.known = found
	}
	f.mu.Unlock()
	if fresh {
		f.told(found)
	}
}

// ofHeader reads the kind of cluster off an answer: Elasticsearch signs each one.
func ofHeader(h http.Header) Flavour {
	if h.Get(productHeader) == product {
		return FlavourElasticsearch
	}
	return FlavourAuto
}

// ofRootPage reads it off an answer to GET /. An answer that neither is signed nor
// was given, because credentials are asked for, tells nothing.
func ofRootPage(res *http.Response) Flavour {
	if ofHeader(res.Header) == FlavourElasticsearch {
		return FlavourElasticsearch
	}
	if res.StatusCode != http.StatusOK {
		return FlavourAuto
	}
	var page struct {
		Version struct {
			Distribution string `json:"distribution"`
		} `json:"version"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxRootPage)).Decode(&page); err == nil && page.Version.Distribution == "opensearch" {
		return FlavourOpenSearch
	}
	return FlavourElasticsearch
}

// Flavour tells what the cluster is known to be; [FlavourAuto] means that it has
// not told yet.
func (u *Upstream) Flavour() Flavour { return u.flavour.get() }

// flavourFor is the kind of cluster that a request goes to. Where the probes have
// not found it out, since the cluster tells nobody without credentials, it is asked
// with those of the request; if it tells none either, it is taken for Elasticsearch
// this time.
func (u *Upstream) flavourFor(in *http.Request) Flavour {
	if known := u.flavour.get(); known != FlavourAuto {
		return known
	}
	if err := u.askFlavour(in.Context(), in.Header["Authorization"]); err != nil {
		u.logger.Debug("the kind of cluster is not known yet", keyError, err)
	}
	if u.flavour.get() == FlavourOpenSearch {
		return FlavourOpenSearch
	}
	return FlavourElasticsearch
}

func (u *Upstream) askFlavour(ctx context.Context, authorization []string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody)
	if err != nil {
		return fmt.Errorf("create question: %w", err)
	}
	if len(authorization) > 0 {
		req.Header["Authorization"] = authorization
	}
	res, err := u.send(req)
	if err != nil {
		return err
	}
	u.flavour.learn(ofRootPage(res))
	return res.Body.Close()
}
