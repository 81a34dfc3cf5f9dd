package native

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// basics are the programs of every system that the scripts lean on: package
// managers and compilers are left out, so that a test decides which exist.
var basics = []string{
	"awk", "basename", "bash", "cat", "chmod", "cp", "cut", "dirname", "find", "flock", "grep", "gzip", "head",
	"mkdir", "mktemp", "mv", "od", "rm", "sed", "sha256sum", "shasum", "sleep", "sort", "tar", "tr", "uname", "unzip",
}

// machine is a machine with the basic programs, the fake programs given (name
// to bash script) and an empty cache folder.
type machine struct{ bin, cache string }

func newMachine(t *testing.T, fakes map[string]string) machine {
	t.Helper()
	m := machine{bin: t.TempDir(), cache: filepath.Join(t.TempDir(), "cache")}
	for _, name := range basics {
		path, err := exec.LookPath(name)
		if err != nil {
			continue // the scripts have another way where one may be missing
		}
		if err := os.Symlink(path, filepath.Join(m.bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, body := range fakes {
		if err := os.WriteFile(filepath.Join(m.bin, name), []byte("#!/usr/bin/env bash\n"+body), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m machine) run(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	return script(t, append([]string{"PATH=" + m.bin, "RERANKD_CACHE=" + m.cache}, env...), args...)
}

// wantNothing fails when a run left anything in the cache but its lock.
func (m machine) wantNothing(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(m.cache, "native"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != ".lock" {
			t.Errorf("%s was left in the cache folder", e.Name())
		}
	}
}

func (m machine) installed() string {
	s := search{cache: m.cache, goos: goos, goarch: goarch}
	return s.places()[0]
}

// elf returns bytes that look to the scripts like ONNX Runtime for an ELF
// machine number (62 is x86-64, 183 is arm64).
func elf(machine byte, version string) []byte {
	head := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...)
	head = append(head, 3, 0, machine, 0)
	return append(head, "...OrtGetApiBase...VERS_"+version+"..."...)
}

// own and other are this machine's ELF number and the other known one.
func own() (own, other byte) {
	if goarch == "arm64" {
		return 183, 62
	}
	return 62, 183
}

func targz(t *testing.T, members map[string][]byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	gz := gzip.NewWriter(&buf)
	tw := tar.NewWriter(gz)
	for name, data := range members {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zipped(t *testing.T, members map[string][]byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for name, data := range members {
		w, err := zw.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func linuxOnly(t *testing.T) {
	t.Helper()
	if goos != "linux" {
		t.Skipf("the stand-in libraries are ELF files, this is %s", goos)
	}
}

func TestGivenLibraryIsInstalledFromAFileOrAnArchive(t *testing.T) {
	linuxOnly(t)
	mine, other := own()
	lib := elf(mine, "1.31.0")
	members := map[string][]byte{
		"r/lib/libonnxruntime.so.1.31.0":               lib,
		"r/lib/libonnxruntime_providers_shared.so":     []byte("x"),
		"r/elsewhere/libonnxruntime.so":                elf(other, "1.31.0"),
		"r/ThirdPartyNotices.txt":                      []byte("notices"),
		"r/include/onnxruntime_c_api.h":                []byte("x"),
		"r/lib/libonnxruntime.so.1.31.0.sha256sum.txt": []byte("x"),
	}
	for name, data := range map[string][]byte{
		"libonnxruntime.so.1.31.0": lib,
		"release.tgz":              targz(t, members),
		"release.tar.gz":           targz(t, members),
		"package.whl":              zipped(t, members),
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, nil)
			given := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(given, data, 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := m.run(t, []string{"RERANKD_ONNXRUNTIME=" + given}, "onnxruntime")
			if err != nil {
				t.Fatalf("native.sh: %v\n%s", err, out)
			}
			got, err := os.ReadFile(m.installed())
			if err != nil || !bytes.Equal(got, lib) {
				t.Errorf("installed %q, %v, want the library given", got, err)
			}
			if !strings.Contains(out, "warning: that checksum is not one of those pinned") {
				t.Errorf("no warning about the checksum in %q", out)
			}
			// The second run has it and says nothing.
			if out, err := m.run(t, nil, "onnxruntime"); err != nil || out != "" {
				t.Errorf("second run: %v, %q, want silence", err, out)
			}
		})
	}
}

func TestGivenLibraryThatCannotServeIsRefused(t *testing.T) {
	linuxOnly(t)
	mine, other := own()
	for _, tc := range []struct {
		name, file string
		data       []byte
		want       string
	}{
		{"missing", "absent.so", nil, "no such file"},
		{"another platform", "lib.so", elf(other, "1.30.0"), "no library for linux-"},
		{"too old", "lib.so", elf(mine, "1.9.0"), "version 1.9.0, need 1.29.0"},
		{"not ONNX Runtime", "lib.so", bytes.ReplaceAll(elf(mine, "1.30.0"), []byte("OrtGetApiBase"), nil), "no OrtGetApiBase"},
		{"no archive at all", "release.tgz", []byte("hello"), "no libonnxruntime in this archive"},
		{"archive without it", "release.tgz", targz(t, map[string][]byte{"README": []byte("x")}), "no libonnxruntime in this archive"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newMachine(t, nil)
			given := filepath.Join(t.TempDir(), tc.file)
			if tc.data != nil {
				if err := os.WriteFile(given, tc.data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			out, err := m.run(t, []string{"RERANKD_ONNXRUNTIME=" + given}, "onnxruntime")
			if err == nil || !strings.Contains(out, tc.want) || !strings.Contains(out, "RERANKD_ONNXRUNTIME") {
				t.Errorf("native.sh: %v, %q, want a refusal that says %q", err, out, tc.want)
			}
			m.wantNothing(t)
		})
	}
}

func TestPackageThatChangedIsRefused(t *testing.T) {
	linuxOnly(t)
	mine, _ := own()
	pkg := filepath.Join(t.TempDir(), "package.tgz")
	if err := os.WriteFile(pkg, targz(t, map[string][]byte{"package/libonnxruntime.so.1": elf(mine, "1.30.0")}), 0o644); err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, map[string]string{"npm": "cp " + pkg + " ."})
	out, err := m.run(t, nil, "onnxruntime")
	if err == nil || !strings.Contains(out, "sha256 is") || !strings.Contains(out, "nothing was installed") {
		t.Errorf("native.sh: %v, %q, want a refusal for the checksum", err, out)
	}
	m.wantNothing(t)
}

func TestWithoutAnySourceEachIsNamedWithTheRemedy(t *testing.T) {
	linuxOnly(t)
	m := newMachine(t, map[string]string{"mvn": "echo no network >&2; exit 1"})
	out, err := m.run(t, nil, "onnxruntime")
	if err == nil {
		t.Fatalf("native.sh succeeded without a source:\n%s", out)
	}
	for _, part := range []string{
		"pip: not installed", "npm: not installed", "mvn: the download of 1.29.0 ended with an error",
		"no network", "install one of", "RERANKD_ONNXRUNTIME",
	} {
		if !strings.Contains(out, part) {
			t.Errorf("no %q in\n%s", part, out)
		}
	}
	m.wantNothing(t)
}

func TestTokenizersWithoutToolsNamesTheRemedy(t *testing.T) {
	linuxOnly(t)
	for _, tc := range []struct {
		name  string
		fakes map[string]string
		want  string
	}{
		{"no cargo", nil, "cargo is not installed: install Rust 1.78"},
		{"old cargo", map[string]string{"cargo": "echo cargo 1.63.0"}, "cargo is version 1.63.0"},
		{"no compiler", map[string]string{"cargo": "echo 'cargo 1.95.0 (x 2026-01-01)'"}, "install gcc or clang"},
		{"no go", map[string]string{"cargo": "echo cargo 1.95.0-beta.2", "cc": ""}, "go is not installed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newMachine(t, tc.fakes)
			out, err := m.run(t, nil, "tokenizers")
			if err == nil || !strings.Contains(out, tc.want) {
				t.Errorf("native.sh: %v, %q, want an error that says %q", err, out, tc.want)
			}
			m.wantNothing(t)
		})
	}
}

func TestGivenTokenizersLibraryMustDefineWhatGoLinks(t *testing.T) {
	linuxOnly(t)
	given := filepath.Join(t.TempDir(), "libtokenizers.a")
	if err := os.WriteFile(given, []byte("!<arch>\ntokenizers_encode\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, nil)
	// This one needs go, which needs its own environment.
	cmd := exec.CommandContext(t.Context(), "./native.sh", "tokenizers")
	cmd.Env = append(os.Environ(), "RERANKD_CACHE="+m.cache, "RERANKD_TOKENIZERS="+given)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "lacks tokenizers_") {
		t.Errorf("native.sh: %v, %q, want a refusal that names a missing symbol", err, out)
	}
	m.wantNothing(t)
}
