package localcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// minJava is the oldest Java that Elasticsearch 8 runs on; OpenSearch 2 does, too.
	minJava = 17

	// javaLimit bounds asking one JDK for its version: a tenth of a second on
	// an idle machine.
	javaLimit = 20 * time.Second
)

// jdk is a Java that the server can run on.
type jdk struct {
	home    string // what ES_JAVA_HOME or its like should be
	version int    // the feature release, such as 17
}

// findJava returns the first JDK of at least minJava out of the server's own variable,
// JAVA_HOME and PATH. usable says whether the account that will run the server
// can reach a folder. The error tells what is wrong with each place and what to
// do.
func findJava(ctx context.Context, s *setup, usable func(dir string) error) (jdk, error) {
	var reasons []string
	getenv, own := s.getenv, s.dist.variable+"_JAVA_HOME"
	for _, place := range []struct{ name, java string }{
		{own, javaOf(getenv(own))},
		{"JAVA_HOME", javaOf(getenv("JAVA_HOME"))},
		{"PATH", lookPath(getenv("PATH"), "java")},
	} {
		if place.java == "" {
			reasons = append(reasons, place.name+" has none")
			continue
		}
		j, err := askJava(ctx, place.java)
		if err == nil && j.version < minJava {
			err = fmt.Errorf("it is Java %d", j.version)
		}
		if err == nil {
			err = usable(j.home)
		}
		if err == nil {
			return j, nil
		}
		reasons = append(reasons, fmt.Sprintf("%s has %s, but %s", place.name, place.java, oneLine(err)))
	}
	return jdk{}, fmt.Errorf("find a JDK of version %d or newer: %s: install one and set JAVA_HOME to it",
		minJava, strings.Join(reasons, "; "))
}

func javaOf(home string) string {
	if home == "" {
		return ""
	}
	return filepath.Join(home, "bin", "java")
}

// lookPath is exec.LookPath over a PATH that is given.
func lookPath(path, program string) string {
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue // a program out of the working folder is never what is meant
		}
		file := filepath.Join(dir, program)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file
		}
	}
	return ""
}

// askJava asks the program itself, because java on a PATH is often a wrapper
// that picks one of several JDKs.
func askJava(ctx context.Context, java string) (jdk, error) {
	ctx, cancel := context.WithTimeout(ctx, javaLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, java, "-XX:-UsePerfData", "-XshowSettings:properties", "-version").CombinedOutput()
	if err != nil {
		return jdk{}, fmt.Errorf("it does not run: %w", err)
	}
	return parseJava(string(out))
}

func parseJava(settings string) (jdk, error) {
	var j jdk
	for line := range strings.Lines(settings) {
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		switch value = strings.TrimSpace(value); strings.TrimSpace(name) {
		case "java.home":
			j.home = value
		case "java.specification.version":
			// 17, or 1.8 for what is called Java 8.
			n, err := strconv.Atoi(strings.TrimPrefix(value, "1."))
			if err != nil {
				return jdk{}, fmt.Errorf("it tells its version as %q", value)
			}
			j.version = n
		}
	}
	if j.home == "" || j.version == 0 {
		return jdk{}, errors.New("it does not tell its home and version")
	}
	return j, nil
}
