package localcluster

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestADockerEngineThatSaysNothingIsPassedOverInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := probeDocker(t.Context(), dockerProbe, func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		if err == nil || time.Since(start) > dockerProbe {
			t.Errorf("err = %v after %v, want one within %v", err, time.Since(start), dockerProbe)
		}
	})
	if err := probeDocker(t.Context(), dockerProbe, func(context.Context) error { return nil }); err != nil {
		t.Errorf("a healthy engine: %v", err)
	}
}

func TestWorkIsAnnouncedOnceItTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		done := newLogger(&out, "elasticsearch").during("looking")
		time.Sleep(quietFor - time.Millisecond)
		done()
		if out.Len() > 0 {
			t.Errorf("too early: %q", out.String())
		}
		done = newLogger(&out, "elasticsearch").during("unpacking")
		time.Sleep(quietFor + repeatEvery + time.Second)
		done()
		done()
		want := "elasticsearch: unpacking (2 s)\nelasticsearch: unpacking (7 s)\n"
		if out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	})
}

func TestTheTailKeepsTheLastLinesWhateverThePieces(t *testing.T) {
	var tl tail
	for i := range tailLines + 5 {
		for _, piece := range []string{"line ", fmt.Sprint(i), "\n"} {
			if n, err := tl.Write([]byte(piece)); n != len(piece) || err != nil {
				t.Fatalf("Write(%q) = %d, %v", piece, n, err)
			}
		}
	}
	_, _ = tl.Write([]byte("no end" + strings.Repeat("x", 10*tailLineBytes)))
	lines := strings.Split(tl.String(), "\n")
	if len(lines) != tailLines+1 || lines[0] != "  line 5" || !strings.HasPrefix(lines[tailLines], "  no endx") {
		t.Errorf("got %d lines from %q to %q", len(lines), lines[0], lines[len(lines)-1])
	}
	if n := len(lines[tailLines]); n != tailLineBytes+2 {
		t.Errorf("a line of %d bytes is kept, want %d", n, tailLineBytes+2)
	}
	if got := new(tail).String(); got != "  (no output)" {
		t.Errorf("empty tail = %q", got)
	}
}

func TestTheLockKeepsOthersOutUntilItIsGivenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lockFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*lockPoll)
	defer cancel()
	if _, err := lockFile(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("second lock: err = %v, want the deadline", err)
	}
	unlock()
	unlock, err = lockFile(t.Context(), path)
	if err != nil {
		t.Fatalf("after it was given back: %v", err)
	}
	unlock()
}

func TestJavaIsAskedForItsHomeAndVersion(t *testing.T) {
	for _, tc := range []struct {
		name, settings string
		want           jdk
		err            string
	}{
		{"17", "Property settings:\n    java.home = /opt/jdk 17\n    java.specification.version = 17\n", jdk{"/opt/jdk 17", 17}, ""},
		{"8", "    java.home = /opt/j8\n    java.specification.version = 1.8\n", jdk{"/opt/j8", 8}, ""},
		{"a word", "java.home = /j\njava.specification.version = new\n", jdk{}, `version as "new"`},
		{"nothing", "Usage: java\n", jdk{}, "does not tell"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := parseJava(tc.settings)
			if got != tc.want || (err != nil) != (tc.err != "") || (err != nil && !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("got %+v, %v, want %+v, error with %q", got, err, tc.want, tc.err)
			}
		})
	}
}

// A script stands for each JDK: what counts is which one is asked and taken.
func TestTheFirstJavaThatIsNewEnoughAndReachableIsTaken(t *testing.T) {
	dir := t.TempDir()
	install := func(name, version string) string {
		home := filepath.Join(dir, name)
		script := fmt.Sprintf("#!/bin/sh\necho 'java.home = %s'\necho 'java.specification.version = %s'\n", home, version)
		if err := os.MkdirAll(filepath.Join(home, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, "bin", "java"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		return home
	}
	old, good, newer := install("old", "11"), install("good", "17"), install("newer", "21")
	anywhere := func(string) error { return nil }
	notGood := func(home string) error {
		if home == good {
			return errors.New("closed to others")
		}
		return nil
	}
	for _, tc := range []struct {
		name   string
		env    map[string]string
		usable func(string) error
		want   string
		err    []string
	}{
		{"ES_JAVA_HOME first", map[string]string{"ES_JAVA_HOME": newer, "JAVA_HOME": good}, anywhere, newer, nil},
		{"an old one is passed over", map[string]string{"ES_JAVA_HOME": old, "JAVA_HOME": good}, anywhere, good, nil},
		{"an unreachable one is passed over", map[string]string{"JAVA_HOME": good, "PATH": newer + "/bin"}, notGood, newer, nil},
		{"PATH last", map[string]string{"PATH": "relative:/nonexistent:" + good + "/bin"}, anywhere, good, nil},
		{"none", map[string]string{"JAVA_HOME": old}, anywhere, "", []string{"ES_JAVA_HOME has none", "it is Java 11", "PATH has none", "set JAVA_HOME"}},
		{"a wrong home", map[string]string{"JAVA_HOME": "/nonexistent"}, anywhere, "", []string{"does not run"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := findJava(t.Context(), &setup{getenv: envOf(tc.env), dist: distributions[Elasticsearch]}, tc.usable)
			if got.home != tc.want || (err != nil) != (tc.err != nil) {
				t.Fatalf("got %q, %v, want %q", got.home, err, tc.want)
			}
			for _, part := range tc.err {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("err = %v, want it to hold %q", err, part)
				}
			}
		})
	}
}

type entry struct {
	name, text string
	mode       fs.FileMode
}

func makeArchive(t *testing.T, entries ...entry) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(f)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(e.mode)
		out, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte(e.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAnArchiveUnpacksReadableForOthersAndItsMirrorIsTheSame(t *testing.T) {
	archive := makeArchive(t,
		entry{"es/", "", fs.ModeDir | 0o700},
		entry{"es/bin/run", "#!", 0o700},
		entry{"es/config/secret.yml", "a: b", 0o600})
	target := filepath.Join(t.TempDir(), "server")
	if err := unpack(t.Context(), archive, target); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if err := mirror(t.Context(), target, copied); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{target, copied} {
		for path, want := range map[string]fs.FileMode{"bin/run": 0o755, "config/secret.yml": 0o644} {
			info, err := os.Stat(filepath.Join(root, path))
			if err != nil || info.Mode().Perm() != want {
				t.Errorf("%s/%s: %v, %v, want mode %v", root, path, info, err, want)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(target), ".unpack-*")); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

func TestAHostileArchiveLeavesNothing(t *testing.T) {
	many := make([]entry, maxFiles+1)
	for i := range many {
		many[i] = entry{fmt.Sprintf("es/%d", i), "", 0o600}
	}
	for _, tc := range []struct {
		name    string
		entries []entry
		want    string
	}{
		{"out by dots", []entry{{"es/../../evil", "x", 0o600}}, "leads out"},
		{"an absolute path", []entry{{"/etc/evil", "x", 0o600}}, "leads out"},
		{"a link", []entry{{"es/link", "/etc/passwd", fs.ModeSymlink | 0o777}}, "neither a file nor a folder"},
		{"two folders", []entry{{"a/x", "", 0o600}, {"b/x", "", 0o600}}, "want one folder"},
		{"the same file twice", []entry{{"a/x", "1", 0o600}, {"a/x", "2", 0o600}}, "exists"},
		{"too many entries", many, "at most"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			err := unpack(t.Context(), makeArchive(t, tc.entries...), filepath.Join(dir, "server"))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("err = %v, want one with %q", err, tc.want)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestAnArchiveLargerThanItsLimitIsCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	n, err := writeFile(path, 0o600, strings.NewReader("123456"), 5)
	if err == nil || n != 6 {
		t.Errorf("wrote %d, %v, want an error", n, err)
	}
}

func TestAFileWithAnotherChecksumIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if err := verifySHA256(path, abc); err != nil {
		t.Errorf("the right checksum: %v", err)
	}
	if err := verifySHA256(path, distributions[Elasticsearch].sha256); err == nil || !strings.Contains(err.Error(), abc) {
		t.Errorf("err = %v, want one that tells both checksums", err)
	}
	if err := verifySHA256(path+"x", abc); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: err = %v, want not exist", err)
	}
}

func TestRootMayNotHandTheServerAFolderThatOthersCannotEnter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "closed", "inner")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	openToOthers(t, dir)
	root := account{isRoot: true}
	if err := root.canReach(dir); err != nil {
		t.Errorf("an open folder: %v", err)
	}
	if err := os.Chmod(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := root.canReach(dir); err == nil || !strings.Contains(err.Error(), filepath.Dir(dir)) {
		t.Errorf("err = %v, want one that names the closed folder", err)
	}
	if err := (account{}).canReach(dir); err != nil {
		t.Errorf("our own account: %v", err)
	}
	if err := root.canReach(filepath.Join(dir, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an absent folder: err = %v, want not exist", err)
	}
}
