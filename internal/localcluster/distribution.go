package localcluster

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Flavour says which search engine a cluster runs.
type Flavour string

// The flavours. The zero value means Elasticsearch.
const (
	Elasticsearch Flavour = "elasticsearch"
	OpenSearch    Flavour = "opensearch"
)

// OpenSearchVersion is the OpenSearch release that is started. It runs on the same
// JDK as [Version] of Elasticsearch; OpenSearch 3 wants a newer one.
const OpenSearchVersion = "2.19.4"

// distribution is a server that Maven Central has, without its bundled JDK and
// most of its modules, as published for integration tests.
type distribution struct {
	title    string // for messages
	program  string // in bin, and what the archive and the settings file are named after
	version  string
	group    string // of the artifact
	sha256   string // of the archive
	variable string // what the names of its environment variables begin with
	url      string // the variable that names a running cluster
	megabyte int    // size of the archive
	settings []string
	jvm      []string
}

var distributions = map[Flavour]distribution{
	Elasticsearch: {
		title: "Elasticsearch", program: "elasticsearch", version: Version,
		group:    "org.elasticsearch.distribution.integ-test-zip",
		sha256:   "14833b2d86c30656901f92049f81fb5777a8e4545413c8656cd1a21b55173033",
		variable: "ES", url: "ES_URL", megabyte: 97,
		settings: []string{"xpack.security.enabled: false", "xpack.ml.enabled: false"},
	},
	OpenSearch: {
		title: "OpenSearch", program: "opensearch", version: OpenSearchVersion,
		group:    "org.opensearch.distribution.integ-test-zip",
		sha256:   "3902e642715210d1d9d7cbdcc8f5abd6f931d1d7a679cea3750937becf16c406",
		variable: "OPENSEARCH", url: "OPENSEARCH_URL", megabyte: 56,
		jvm: []string{
			"18-:-Djava.security.manager=allow",
			"-Djava.util.concurrent.ForkJoinPool.common.threadFactory=org.opensearch.secure_sm.SecuredForkJoinWorkerThreadFactory",
		},
	},
}

// artifact is the archive's coordinates.
func (d distribution) artifact() string { return d.group + ":" + d.program + ":" + d.version + ":zip" }

// folder is the name of the unpacked server.
func (d distribution) folder() string { return d.program + "-" + d.version }

// archive is the archive's file name.
func (d distribution) archive() string { return d.folder() + ".zip" }

// configFiles returns the server's configuration by file name. It is written
// whole, because what the archive brings logs into files and dumps heaps.
func (d distribution) configFiles(dir string) map[string]string {
	settings := []string{
		"cluster.name: rerankd-local",
		"node.name: local",
		"discovery.type: single-node",
		"network.host: 127.0.0.1",
		"http.port: 0",
		"transport.port: 0",
		"node.portsfile: true",
		fmt.Sprintf("path.data: %q", filepath.Join(dir, "data")),
		fmt.Sprintf("path.logs: %q", filepath.Join(dir, "logs")),
		// A laptop with a nearly full disk should still run the demo.
		"cluster.routing.allocation.disk.threshold_enabled: false",
	}
	jvm := []string{
		"-Xms" + heap,
		"-Xmx" + heap,
		"-XX:+UseG1GC",
		"-XX:+ExitOnOutOfMemoryError",
		"-XX:-UsePerfData", // it would leave a folder in /tmp
		"-Djava.io.tmpdir=${" + d.variable + "_TMPDIR}",
		"20-:--add-modules=jdk.incubator.vector",
	}
	return map[string]string{
		d.program + ".yml": file(append(settings, d.settings...)),
		"jvm.options":      file(append(jvm, d.jvm...)),
		"log4j2.properties": file([]string{
			"status = error",
			"appender.console.type = Console",
			"appender.console.name = console",
			"appender.console.layout.type = PatternLayout",
			"appender.console.layout.pattern = %-5p %c{1.} %m%n",
			"rootLogger.level = info",
			"rootLogger.appenderRef.console.ref = console",
		}),
	}
}

func file(lines []string) string { return strings.Join(append(lines, ""), "\n") }
