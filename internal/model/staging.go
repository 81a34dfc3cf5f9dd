package model

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ErrExists reports that there is something already where a folder is to appear.
var ErrExists = errors.New("is there already")

// staging is a hidden folder beside the place of a model folder, in which the
// latter is made, so that it appears whole or not at all. It is locked against
// other processes, and nothing in it is followed out of it.
type staging struct {
	place string // where the folder is to appear
	path  string
	root  *os.Root
	lock  *os.File
}

// openStaging makes the folder in which place is made, or takes the one that an
// earlier attempt left.
func openStaging(place string) (*staging, error) {
	place, err := filepath.Abs(place)
	if err != nil {
		return nil, err
	}
	s := &staging{place: place, path: filepath.Join(filepath.Dir(place), "."+filepath.Base(place)+".partial")}
	if err := s.free(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return nil, err
	}
	if err := os.Mkdir(s.path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if info, err := os.Lstat(s.path); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("use %s: not a folder", s.path)
	}
	if s.root, err = os.OpenRoot(s.path); err != nil {
		return nil, err
	}
	if err := s.take(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// take locks the folder. The kernel drops the lock with the process.
func (s *staging) take() (err error) {
	if s.lock, err = s.root.Open("."); err != nil {
		return err
	}
	if err := syscall.Flock(int(s.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("lock %s: another process makes this folder: %w", s.path, err)
	}
	return s.free() // the process before may have finished it
}

// free is ErrExists if something is at the place.
func (s *staging) free() error {
	if _, err := os.Lstat(s.place); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s %w", s.place, ErrExists)
	}
	return nil
}

// close leaves what is in the folder for another attempt.
func (s *staging) close() error {
	var err error
	if s.lock != nil {
		err = s.lock.Close()
	}
	return errors.Join(err, s.root.Close())
}

// discard removes the folder and what is in it.
func (s *staging) discard() error {
	return errors.Join(s.keep(nil), os.Remove(s.path))
}

// keep removes all files but those that are wanted.
func (s *staging) keep(wanted func(name string) bool) error {
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if wanted == nil || !wanted(e.Name()) {
			errs = append(errs, s.root.RemoveAll(e.Name()))
		}
	}
	return errors.Join(errs...)
}

// create opens a new file in the folder, in place of one that is there.
func (s *staging) create(name string) (*os.File, error) {
	if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
}

// write makes a whole file and sees it on the disk.
func (s *staging) write(name string, data []byte) error {
	file, err := s.create(name)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return finish(file, err)
}

// finish closes a file that was written, and sees it on the disk unless err tells
// that it is not whole.
func finish(file *os.File, err error) error {
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// install makes the folder appear at its place. Nothing but the files of the
// names is in it.
func (s *staging) install(names map[string]bool) error {
	if err := s.keep(func(name string) bool { return names[name] }); err != nil {
		return err
	}
	if err := s.lock.Sync(); err != nil {
		return err
	}
	if err := s.free(); err != nil {
		return err
	}
	// Were something put there since, it would be a file or a folder with
	// something in it, over neither of which a folder can be renamed.
	if err := os.Rename(s.path, s.place); err != nil {
		return err
	}
	// The folder is there: if the disk can't tell now, it will after the next crash.
	if above, err := os.Open(filepath.Dir(s.place)); err == nil {
		_ = errors.Join(above.Sync(), above.Close())
	}
	return nil
}
