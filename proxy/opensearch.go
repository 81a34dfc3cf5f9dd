package proxy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/rerankd/rerankd/retriever"
)

// maxPointInTime bounds the bodies about points in time, whose ids grow with the
// number of shards.
const maxPointInTime = 4 << 20

// vendorMedia is a media type of Elasticsearch's own, which OpenSearch refuses.
var vendorMedia = regexp.MustCompile(`(?i)application/vnd\.elasticsearch\+([a-z-]+)(\s*;\s*compatible-with\s*=\s*"?\d+"?)?`)

// toOpenSearch has a request of an Elasticsearch client taken by OpenSearch: it turns
// the media types into the plain ones, and points in time into those of
// OpenSearch. back does the same for the answer. in is not changed.
func toOpenSearch(in *http.Request) (out *http.Request, back func(*http.Response) error, err error) {
	out = in.WithContext(in.Context())
	out.Header = in.Header.Clone()
	for _, name := range []string{"Content-Type", "Accept"} {
		for i, value := range out.Header[name] {
			out.Header[name][i] = vendorMedia.ReplaceAllString(value, "application/$1")
		}
	}
	reshape := func([]byte) ([]byte, error) { return nil, nil }
	path, target := requestPath(in), ""
	switch index, opens := strings.CutSuffix(strings.TrimSuffix(path, "/"), "/_pit"); {
	case opens && index != "" && in.Method == http.MethodPost:
		target, reshape = index+"/_search/point_in_time", openedByOpenSearch
	case opens && index == "" && in.Method == http.MethodDelete:
		target, reshape = "/_search/point_in_time", closedByOpenSearch
		if err := closeOnOpenSearch(out); err != nil {
			return nil, nil, err
		}
	default:
		return out, func(res *http.Response) error { asElasticsearch(res, in); return nil }, nil
	}
	address := url.URL{Scheme: in.URL.Scheme, Host: in.URL.Host, Opaque: target, RawQuery: in.URL.RawQuery}
	out.URL = &address
	return out, func(res *http.Response) error {
		asElasticsearch(res, in)
		return reshaped(res, reshape)
	}, nil
}

// requestPath is the path in the spelling in which it goes out.
func requestPath(r *http.Request) string {
	if r.URL.Opaque != "" {
		return r.URL.Opaque
	}
	return r.URL.EscapedPath()
}

// asElasticsearch signs an answer and gives it the media type that Elasticsearch
// would have answered with: clients check both.
func asElasticsearch(res *http.Response, in *http.Request) {
	res.Header.Set(productHeader, product)
	media, parameters, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	switch {
	case strings.TrimSpace(media) == mediaJSON:
		res.Header.Set("Content-Type", answerType(in))
	case strings.EqualFold(strings.TrimSpace(parameters), "charset=UTF-8") && strings.HasPrefix(media, "application/"):
		res.Header.Set("Content-Type", media)
	}
}

// closeOnOpenSearch rewrites the body that closes one point in time.
func closeOnOpenSearch(out *http.Request) error {
	var named struct {
		ID string `json:"id"`
	}
	if out.Body != nil {
		body, err := unpackedBody(out)
		if err != nil {
			return fmt.Errorf("%w: %w", errCaller, err)
		}
		if err := json.Unmarshal(body, &named); err != nil {
			return retriever.BadRequest("illegal_argument_exception", "malformed body: want the id of a point in time")
		}
	}
	body, err := json.Marshal(map[string][]string{"pit_id": {named.ID}})
	if err != nil {
		return fmt.Errorf("write the id of a point in time: %w", err)
	}
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	out.Header.Del("Content-Encoding")
	out.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

// unpackedBody reads the body of a request, decompressed.
func unpackedBody(r *http.Request) ([]byte, error) {
	if packed(r.Header) {
		return unpack(r.Header, r.Body, maxPointInTime)
	}
	return io.ReadAll(io.LimitReader(r.Body, maxPointInTime))
}

func openedByOpenSearch(answer []byte) ([]byte, error) {
	var opened struct {
		ID     string          `json:"pit_id"`
		Shards json.RawMessage `json:"_shards"`
	}
	if err := json.Unmarshal(answer, &opened); err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		ID     string          `json:"id"`
		Shards json.RawMessage `json:"_shards,omitempty"`
	}{opened.ID, opened.Shards})
}

func closedByOpenSearch(answer []byte) ([]byte, error) {
	var closed struct {
		PITs []struct {
			Successful bool `json:"successful"`
		} `json:"pits"`
	}
	if err := json.Unmarshal(answer, &closed); err != nil {
		return nil, err
	}
	result := struct {
		Succeeded bool `json:"succeeded"`
		Freed     int  `json:"num_freed"`
	}{Succeeded: true}
	for _, pit := range closed.PITs {
		result.Succeeded = result.Succeeded && pit.Successful
		if pit.Successful {
			result.Freed++
		}
	}
	return json.Marshal(result)
}

// reshaped replaces the body of a success. One that is compressed or too long is
// left as it is.
func reshaped(res *http.Response, reshape func([]byte) ([]byte, error)) error {
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Encoding") != "" || res.ContentLength > maxPointInTime {
		return nil
	}
	answer, err := readAtMost(res.Body, res.ContentLength, maxPointInTime+1)
	if err != nil {
		return fmt.Errorf("%w: read answer: %w", errUnreachable, err)
	}
	if len(answer) > maxPointInTime {
		res.Body = rejoined(bytes.NewReader(answer), res.Body, res.Body)
		return nil
	}
	if err := res.Body.Close(); err != nil {
		return fmt.Errorf("close answer: %w", err)
	}
	if fresh, err := reshape(answer); err == nil {
		answer = fresh
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(answer)), int64(len(answer))
	res.Header.Set("Content-Length", strconv.Itoa(len(answer)))
	return nil
}

// askOpenSearch is [Proxy.ask] in the words of OpenSearch. A fault that is found on
// the way to them is worded as the cluster's own are, and the cluster's as
// Elasticsearch's.
func (p *Proxy) askOpenSearch(ctx context.Context, r *http.Request, method string, target *url.URL, body []byte) ([]byte, http.Header, error) {
	worded, err := searchForOpenSearch(cmp.Or(target.Opaque, target.Path), body)
	if bad, ok := errors.AsType[*retriever.RequestError](err); ok {
		return nil, nil, refusedAs(bad)
	}
	if err != nil {
		return nil, nil, err
	}
	answer, header, err := p.send(ctx, r, method, target, worded)
	return answer, header, reword(err, func(answer []byte) []byte { return retriever.FromOpenSearch(body, answer) })
}

// searchForOpenSearch is the body of a search of our own, or of several in lines, in
// the words of OpenSearch.
func searchForOpenSearch(path string, body []byte) ([]byte, error) {
	if len(body) == 0 {
		return body, nil
	}
	switch {
	case strings.HasSuffix(path, "_msearch"):
		lines := bytes.Split(body, []byte{'\n'})
		for i := 1; i < len(lines); i += 2 {
			var err error
			if lines[i], err = retriever.ForOpenSearch(lines[i]); err != nil {
				return nil, err
			}
		}
		return bytes.Join(lines, []byte{'\n'}), nil
	case strings.HasSuffix(strings.TrimSuffix(path, "/"), "_search"):
		return retriever.ForOpenSearch(body)
	}
	return body, nil
}

// refusedAs is a fault of a search of our own as if the cluster had found it, so that
// it is worded as the cluster's own are.
func refusedAs(bad *retriever.RequestError) *refused {
	body := bad.Body()
	return &refused{&http.Response{
		Status: http.StatusText(bad.Status), StatusCode: bad.Status,
		Header:        http.Header{"Content-Type": {mediaJSON}, productHeader: {product}},
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
	}}
}
