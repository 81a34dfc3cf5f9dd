# shellcheck shell=bash
# Parts that the scripts which fetch third-party files share: where the cache
# folder is, messages, checksums, locks, unpacking. Sourced, never run.
#
# Every script that sources this file sets ME, the name that leads its messages.

CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() { printf '%s: %s\n' "$ME" "$*" >&2; }

die() {
	say "$*"
	exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# cache_dir prints the folder that outlives checkouts. The same rule stands in
# Go, in CacheDir of this folder: change both or neither.
cache_dir() {
	if [[ -n ${RERANKD_CACHE:-} ]]; then
		case $RERANKD_CACHE in
		/*) printf '%s\n' "$RERANKD_CACHE" ;;
		*) printf '%s\n' "$PWD/$RERANKD_CACHE" ;;
		esac
	elif [[ $OSTYPE == darwin* && -n ${HOME:-} ]]; then
		printf '%s\n' "$HOME/Library/Caches/rerankd"
	elif [[ ${XDG_CACHE_HOME:-} == /* ]]; then
		printf '%s\n' "$XDG_CACHE_HOME/rerankd"
	elif [[ -z ${XDG_CACHE_HOME:-} && -n ${HOME:-} ]]; then
		printf '%s\n' "$HOME/.cache/rerankd"
	else
		printf '%s\n' "$CHECKOUT/.cache"
	fi
}

# platform prints the name that the native folders carry: linux-x64 and so on.
platform() {
	local os machine
	read -r os machine < <(uname -sm)
	case $machine in
	x86_64 | amd64) machine=x64 ;;
	aarch64 | arm64) machine=arm64 ;;
	esac
	case $os in
	Linux) printf 'linux-%s\n' "$machine" ;;
	Darwin) printf 'darwin-%s\n' "$machine" ;;
	*) printf '%s-%s\n' "$os" "$machine" ;;
	esac
}

# platform_of prints for which platform FILE was built, from its first 20
# bytes (ELF or Mach-O), or "unknown". An ar archive gives no such answer.
platform_of() {
	case $(od -An -v -tx1 -N20 "$1" | tr -d ' \n') in
	7f454c4602*3e00) echo linux-x64 ;;
	7f454c4602*b700) echo linux-arm64 ;;
	cffaedfe07000001*) echo darwin-x64 ;;
	cffaedfe0c000001*) echo darwin-arm64 ;;
	*) echo unknown ;;
	esac
}

sha256_of() {
	if have sha256sum; then
		sha256sum <"$1" | cut -d' ' -f1
	elif have shasum; then
		shasum -a 256 <"$1" | cut -d' ' -f1
	else
		die "neither sha256sum nor shasum is installed: install coreutils"
	fi
}

# during WHAT COMMAND... runs COMMAND, says WHAT first, and every ten seconds
# that it still runs.
during() {
	local what=$1 start=$SECONDS ticker rc=0
	shift
	say "$what"
	# The ticker must not outlive the script, nor keep the lock or the
	# caller's pipes open while it sleeps.
	while sleep 10 8>&- >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
		say "still at it after $((SECONDS - start)) s: $what"
	done 8>&- &
	ticker=$!
	"$@" || rc=$?
	kill "$ticker" 2>/dev/null || true
	wait "$ticker" 2>/dev/null || true
	return "$rc"
}

# lock FILE waits until no other run holds FILE; the lock ends with the script.
# Without flock two runs at once do the work twice, and the last rename wins.
lock() {
	have flock || return 0
	exec 8>"$1"
	if ! flock -n 8; then
		say "waiting for another run that holds $1"
		flock 8
	fi
}

# stage prints a new folder below PARENT in which a result is put together
# before one rename publishes it. It is removed when the script ends.
STAGES=()
stage() {
	STAGE=$(mktemp -d "$1/.stage.XXXXXX") || die "cannot write below $1: set RERANKD_CACHE to a folder of yours"
	chmod 755 "$STAGE"
	STAGES+=("$STAGE")
}

drop_stages() {
	local s
	for s in ${STAGES[@]+"${STAGES[@]}"}; do rm -rf "$s"; done
}
trap drop_stages EXIT

# publish STAGE FINAL puts a finished folder in its place.
publish() {
	rm -rf "$2"
	mv "$1" "$2"
}

# unpack ARCHIVE PATTERN DIR extracts the members whose path matches the
# extended regular expression PATTERN, with their paths, into DIR. It fails
# when there is none.
unpack() {
	local archive=$1 pattern=$2 dir=$3 names=()
	mkdir -p "$dir"
	case $archive in
	*.tgz | *.tar.gz)
		mapfile_of names < <(tar tzf "$archive" | grep -E "$pattern" || true)
		((${#names[@]} > 0)) || return 1
		tar xzf "$archive" -C "$dir" "${names[@]}"
		;;
	*.zip | *.whl | *.jar) unzip_members "$archive" "$pattern" "$dir" ;;
	*) return 1 ;;
	esac
}

# unzip_members takes whichever tool that reads zip files the machine has.
unzip_members() {
	local archive=$1 pattern=$2 dir=$3 names=()
	if have unzip; then
		mapfile_of names < <(unzip -Z1 "$archive" | grep -E "$pattern" || true)
		((${#names[@]} > 0)) || return 1
		unzip -q -o "$archive" "${names[@]}" -d "$dir"
	elif have python3; then
		python3 - "$archive" "$pattern" "$dir" <<'PY'
import re, sys, zipfile
archive, pattern, folder = sys.argv[1:]
with zipfile.ZipFile(archive) as z:
    names = [n for n in z.namelist() if re.search(pattern, n)]
    z.extractall(folder, names)
sys.exit(0 if names else 1)
PY
	elif have jar; then
		archive=$(cd "$(dirname "$archive")" && pwd)/$(basename "$archive")
		mapfile_of names < <(jar tf "$archive" | grep -E "$pattern" || true)
		((${#names[@]} > 0)) || return 1
		(cd "$dir" && jar xf "$archive" "${names[@]}")
	else
		die "no tool that unpacks $archive: install unzip"
	fi
}

# mapfile_of NAME reads lines into the array NAME, as mapfile does, which the
# bash of macOS lacks.
mapfile_of() {
	local line
	# shellcheck disable=SC2034 # read by the eval
	while IFS= read -r line; do eval "$1+=(\"\$line\")"; done
}

# The package managers. Each X_download DIR ARGS... leaves one archive in DIR
# and prints on standard error only.
have_pip() { have python3 && python3 -m pip --version >/dev/null 2>&1; }
have_npm() { have npm; }
have_mvn() { have mvn; }

pip_download() {
	local dir=$1
	shift
	python3 -m pip download --quiet --no-input --disable-pip-version-check \
		--no-deps --only-binary=:all: --dest "$dir" "$@" >&2
}

npm_download() { (cd "$1" && npm pack --silent "$2" >/dev/null); }

# The plugin's version is named: without it Maven takes one that depends on
# Maven's own version.
mvn_download() {
	mvn -q -B -Dstyle.color=never org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
		"-Dartifact=$2" "-DoutputDirectory=$1" >&2
}

# note keeps why a source gave nothing, for the message when none did.
NOTES=()
note() { NOTES+=("$*"); }

# at_least VERSION OLDEST compares dotted numbers.
at_least() {
	local i have want
	IFS=. read -r -a have <<<"$1"
	IFS=. read -r -a want <<<"$2"
	for i in "${!want[@]}"; do
		((10#${have[i]:-0} > 10#${want[i]})) && return 0
		((10#${have[i]:-0} < 10#${want[i]})) && return 1
	done
	return 0
}
