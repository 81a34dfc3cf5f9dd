package localcluster

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// nobody is the uid and gid that the server gets when we are root, since
// Elasticsearch refuses to run as root.
const nobody = 65534

// account is who the server runs as.
type account struct {
	isRoot bool // we are root: the server runs as nobody
}

func currentAccount() account { return account{isRoot: os.Geteuid() == 0} }

// credential is nil when the server runs as whoever we are.
func (a account) credential() *syscall.Credential {
	if !a.isRoot {
		return nil
	}
	return &syscall.Credential{Uid: nobody, Gid: nobody}
}

// own gives a file or folder to the server's account.
func (a account) own(path string) error {
	if !a.isRoot {
		return nil
	}
	return os.Chown(path, nobody, nobody)
}

// canReach reports why the server's account cannot enter dir, or nil. For a
// foreign account every folder on the way must let everybody through; a home
// folder often does not.
func (a account) canReach(dir string) error {
	if !a.isRoot {
		return nil
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return err
		}
		if info.IsDir() && info.Mode()&0o001 == 0 {
			return fmt.Errorf("uid %d, which the server runs as since we are root, may not enter %s", nobody, at)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}
