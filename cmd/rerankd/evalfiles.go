package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/rerankd/rerankd/internal/evaluate"
)

// writeEvalFiles writes the files that were asked for.
func writeEvalFiles(r *evaluate.Report, asked evalInput) error {
	var errs []error
	if asked.csv != "" {
		errs = append(errs, writeFile(asked.csv, r.WriteCSV))
	}
	if asked.plot != "" {
		errs = append(errs, writeFile(asked.plot, r.WritePlot))
	}
	if asked.runOut != "" {
		for _, s := range r.Systems[:len(r.Systems)-len(asked.runIn)] {
			tag := oneWord(s.Model)
			path := strings.ReplaceAll(asked.runOut, modelPlace, tag)
			errs = append(errs, writeFile(path, func(w io.Writer) error { return r.WriteRun(w, s.Model, tag) }))
		}
	}
	return errors.Join(errs...)
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// checkEvalFiles finds a slip in a file's folder before hours of work and not
// after them.
func checkEvalFiles(asked evalInput) error {
	var errs []error
	for _, path := range []string{asked.csv, asked.plot, asked.runOut} {
		if path == "" {
			continue
		}
		if info, err := os.Stat(filepath.Dir(path)); err != nil {
			errs = append(errs, fmt.Errorf("write %s: %w", path, err))
		} else if !info.IsDir() {
			errs = append(errs, fmt.Errorf("write %s: %s is no folder", path, filepath.Dir(path)))
		}
	}
	return errors.Join(errs...)
}

// oneWord makes a name fit for a file's name and a column of a TREC file.
func oneWord(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_.", r) {
			return r
		}
		return '_'
	}, name)
}
