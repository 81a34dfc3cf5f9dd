package localcluster

import (
	"fmt"
	"path/filepath"
	"strings"
)

// configFiles returns the server's configuration by file name. It is written
// whole, because what the archive brings logs into files and dumps heaps.
func configFiles(dir string) map[string]string {
	return map[string]string{
		"elasticsearch.yml": strings.Join([]string{
			"cluster.name: rerankd-local",
			"node.name: local",
			"discovery.type: single-node",
			"network.host: 127.0.0.1",
			"http.port: 0",
			"transport.port: 0",
			"node.portsfile: true",
			fmt.Sprintf("path.data: %q", filepath.Join(dir, "data")),
			fmt.Sprintf("path.logs: %q", filepath.Join(dir, "logs")),
			"xpack.security.enabled: false",
			"xpack.ml.enabled: false",
			// A laptop with a nearly full disk should still run the demo.
			"cluster.routing.allocation.disk.threshold_enabled: false",
			"",
		}, "\n"),
		"jvm.options": strings.Join([]string{
			"-Xms" + heap,
			"-Xmx" + heap,
			"-XX:+UseG1GC",
			"-XX:+ExitOnOutOfMemoryError",
			"-XX:-UsePerfData", // it would leave a folder in /tmp
			"-Djava.io.tmpdir=${ES_TMPDIR}",
			"20-:--add-modules=jdk.incubator.vector",
			"",
		}, "\n"),
		"log4j2.properties": strings.Join([]string{
			"status = error",
			"appender.console.type = Console",
			"appender.console.name = console",
			"appender.console.layout.type = PatternLayout",
			"appender.console.layout.pattern = %-5p %c{1.} %m%n",
			"rootLogger.level = info",
			"rootLogger.appenderRef.console.ref = console",
			"",
		}, "\n"),
	}
}
