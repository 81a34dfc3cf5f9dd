package model

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"time"
)

const (
	dialTimeout   = 15 * time.Second
	mostRedirects = 5
	mostHeader    = 64 << 10
)

// ClientOptions are how a mirror is reached. The zero value asks the environment
// for a proxy and trusts the system's certificates.
type ClientOptions struct {
	Proxy  *url.URL // nil: HTTP_PROXY, HTTPS_PROXY and NO_PROXY say
	CAFile string   // PEM file with the certificates to trust; "": the system's
}

// NewClient returns a client for mirrors, also for URLs of the scheme file. It
// follows at most five redirects, and none from https to http or to a file.
func NewClient(o ClientOptions) (*http.Client, error) {
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout:    dialTimeout,
		MaxResponseHeaderBytes: mostHeader,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if o.Proxy != nil {
		t.Proxy = http.ProxyURL(o.Proxy)
	}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the certificates to trust: %w", err)
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the certificates to trust: %s holds no PEM certificate", o.CAFile)
		}
	}
	t.RegisterProtocol("file", http.NewFileTransport(http.Dir("/")))
	return &http.Client{Transport: t, CheckRedirect: checkRedirect}, nil
}

func checkRedirect(req *http.Request, via []*http.Request) error {
	before := via[len(via)-1].URL.Scheme
	switch {
	case len(via) > mostRedirects:
		return final{fmt.Errorf("more than %d redirects", mostRedirects)}
	case req.URL.Scheme != "https" && req.URL.Scheme != before, before == "file":
		return final{fmt.Errorf("a redirect from %s to %s is not followed", before, req.URL.Scheme)}
	}
	return nil
}

// otherScheme begins a URL of any scheme.
var otherScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)

// ParseSource reads the URL of a mirror's folder: http, https or file, the last
// with an absolute path and no host.
func ParseSource(text string) (*url.URL, error) {
	if !otherScheme.MatchString(text) {
		return nil, errors.New("want a URL such as https://mirror.example.org/models/mine or file:///media/models/mine")
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("want a URL that can be read") // its own error would show a password
	}
	switch {
	case u.Scheme == "file" && (u.Opaque != "" || u.Host != "" || u.Path == ""):
		return nil, errors.New("want an absolute path and no host behind file:, such as file:///media/models/mine")
	case u.Scheme != "file" && u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("want http, https or file, got %q", u.Scheme)
	case u.Scheme != "file" && u.Host == "":
		return nil, errors.New("want a host")
	case u.Fragment != "":
		return nil, errors.New("want no fragment")
	}
	return u, nil
}
