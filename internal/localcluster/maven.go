package localcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/rerankd/rerankd/internal/native"
)

const (
	mavenPlugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"

	// mavenLimit bounds the download of about 100 MB and of Maven's own plugin.
	mavenLimit = 15 * time.Minute
)

// startMaven runs the server of Maven Central on a JDK of this machine.
func startMaven(ctx context.Context, s *setup) (*Cluster, error) {
	who := currentAccount()
	java, err := findJava(ctx, s, who.canReach)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotTaken, err)
	}
	home, err := prepareServer(ctx, s)
	if err != nil {
		return nil, err
	}
	s.log.printf("starting %s %s on the JDK %d in %s", s.dist.title, s.dist.version, java.version, java.home)
	done := s.log.during("waiting for the server to come up")
	defer done()
	return startNode(ctx, nodeOptions{Distribution: s.dist, Home: home, Java: java, Account: who, Path: s.getenv("PATH")})
}

// prepareServer returns the folder of the unpacked server, in the cache folder,
// and makes it first where it is not there. One caller on the machine does the
// work, the others wait for it.
func prepareServer(ctx context.Context, s *setup) (string, error) {
	cache := native.CacheDir()
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder: %w (set RERANKD_CACHE to a folder of yours)", err)
	}
	home := filepath.Join(cache, s.dist.folder())
	if isFolder(home) {
		return home, nil
	}
	done := s.log.during("waiting for another process that unpacks the server")
	unlock, err := lockFile(ctx, filepath.Join(cache, s.dist.program+".lock"))
	done()
	if err != nil {
		return "", err
	}
	defer unlock()
	if isFolder(home) { // made while we waited
		return home, nil
	}
	archive, err := fetchArchive(ctx, s, cache)
	if err != nil {
		return "", err
	}
	done = s.log.during("unpacking " + archive)
	defer done()
	if err := unpack(ctx, archive, home); err != nil {
		return "", err
	}
	return home, nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// fetchArchive returns the path of the archive with the right checksum. One
// that lies in the cache folder already is taken, so that a machine without a
// network can be served by putting it there.
func fetchArchive(ctx context.Context, s *setup, cache string) (string, error) {
	name := s.dist.archive()
	archive := filepath.Join(cache, name)
	err := verifySHA256(archive, s.dist.sha256)
	if err == nil {
		return archive, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		s.log.printf("fetching %s again: %v", name, err)
	}
	mvn := lookPath(s.getenv("PATH"), "mvn")
	if mvn == "" {
		return "", fmt.Errorf("%w: no mvn on the PATH: install Maven, or set %s to a running cluster, or put %s into %s",
			errNotTaken, s.dist.url, name, cache)
	}
	work, err := os.MkdirTemp(cache, ".maven-")
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", name, err)
	}
	defer func() { _ = os.RemoveAll(work) }() // empty unless something failed, which is told
	if err := runMaven(ctx, s, mvn, work); err != nil {
		return "", err
	}
	fetched := filepath.Join(work, name)
	if err := verifySHA256(fetched, s.dist.sha256); err != nil {
		return "", fmt.Errorf("%w: what Maven's repository serves is not the release: check the mirrors in ~/.m2/settings.xml", err)
	}
	if err := os.Rename(fetched, archive); err != nil {
		return "", fmt.Errorf("fetch %s: %w", name, err)
	}
	return archive, nil
}

func runMaven(ctx context.Context, s *setup, mvn, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, mavenLimit)
	defer cancel()
	s.log.printf("fetching %s %s (%d MB) with %s; this is done once", s.dist.title, s.dist.version, s.dist.megabyte, mvn)
	done := s.log.during("fetching")
	defer done()
	cmd := exec.CommandContext(ctx, mvn, "-q", "-B", mavenPlugin,
		"-Dartifact="+s.dist.artifact(), "-DoutputDirectory="+dir)
	cmd.Dir = dir // no pom.xml of the caller's folder
	cmd.WaitDelay = stopGrace
	var out tail
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("fetch %s with Maven: %w\n%s\nmake sure that Maven can reach Maven Central, or set %s to a running cluster",
			s.dist.artifact(), err, out.String(), s.dist.url)
	}
	return nil
}
