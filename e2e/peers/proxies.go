package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// proxy is a program between the clients and the upstream. All have two threads,
// no access log, and keep their connections.
type proxy struct {
	name    string
	program string
	version []string // arguments that print it
	config  string   // file that it is given; %port, %upstream and %dir are filled in
	args    []string
}

func (cmp *comparison) proxies() []proxy {
	return []proxy{
		{"nginx", "nginx", []string{"-v"}, nginxConfig, []string{"-e", "stderr", "-p", "%dir", "-c", "%config"}},
		{"HAProxy", "haproxy", []string{"-v"}, haproxyConfig, []string{"-db", "-f", "%config"}},
		{"Caddy", "caddy", []string{"version"}, caddyConfig, []string{"run", "--config", "%config", "--adapter", "caddyfile"}},
		{"net/http, bare", cmp.self, nil, "", []string{bareCommand, "%port", "%upstream"}},
		{"rerankd", cmp.program, nil, "", cmp.serve("%port")},
	}
}

const nginxConfig = `daemon off;
worker_processes 2;
pid %dir/nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_buffer_size 64k; # a body in a file waits 40 ms for an acknowledgement
  client_body_temp_path %dir/body; proxy_temp_path %dir/proxy; fastcgi_temp_path %dir/fastcgi;
  uwsgi_temp_path %dir/uwsgi; scgi_temp_path %dir/scgi;
  upstream cluster { server 127.0.0.1:%upstream; keepalive 64; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:%port;
    location / { proxy_pass http://cluster; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`

const haproxyConfig = `global
  nbthread 2
  maxconn 1024
defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend clients
  bind 127.0.0.1:%port
  default_backend cluster
backend cluster
  server node 127.0.0.1:%upstream
`

const caddyConfig = `{
  admin off
  auto_https off
}
http://:%port {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:%upstream {
    transport http {
      keepalive_idle_conns_per_host 64
    }
  }
}
`

// start starts the proxy and waits until it answers.
func (cmp *comparison) startProxy(ctx context.Context, p proxy, request []byte) (*process, string, error) {
	path, err := exec.LookPath(p.program)
	if err != nil {
		return nil, "", fmt.Errorf("it is not installed: %w", err)
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, "", err
	}
	dir := filepath.Join(cmp.temp, p.name)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // nginx's workers are another user's
		return nil, "", err
	}
	fill := strings.NewReplacer("%port", port, "%upstream", cmp.upstream.port, "%dir", dir, "%config", filepath.Join(dir, "config"))
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(fill.Replace(p.config)), 0o600); err != nil {
		return nil, "", err
	}
	args := make([]string, len(p.args))
	for i, arg := range p.args {
		args[i] = fill.Replace(arg)
	}
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // one of those above
	cmd.Env = []string{"XDG_CONFIG_HOME=" + dir, "XDG_DATA_HOME=" + dir}
	started, err := launch(dir, cmd)
	if err != nil {
		return nil, "", err
	}
	for range 200 {
		if _, err = send(ctx, port, request, 1, time.Millisecond); err == nil {
			return started, port, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	started.stop()
	return nil, "", fmt.Errorf("it does not answer: %w: %s", err, started.reason())
}

var dotted = regexp.MustCompile(`\d+\.\d+[.\d]*`)

// versionOf is what a program says of itself.
func versionOf(ctx context.Context, p proxy) string {
	out, _ := exec.CommandContext(ctx, p.program, p.version...).CombinedOutput() //nolint:gosec // one of those above; none is no version
	return dotted.FindString(string(out))
}
