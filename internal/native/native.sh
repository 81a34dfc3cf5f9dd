#!/usr/bin/env bash
# Puts the two native libraries into the cache folder, and does nothing when
# they are there: ONNX Runtime (loaded at run time) and libtokenizers.a (linked).
#
#   native.sh [onnxruntime|tokenizers]   install what is missing, both by default
#   native.sh path cache|onnxruntime|tokenizers   print a folder, install nothing
#   native.sh env                        print shell lines for go build and go test
#
# Sources, in this order: a file that the user names (RERANKD_ONNXRUNTIME,
# RERANKD_TOKENIZERS: the library or an archive that holds it); for ONNX Runtime
# then pip, npm, mvn (RERANKD_NATIVE_SOURCES narrows or reorders them); for
# libtokenizers.a then cargo. pip leads because its package is the smallest and
# carries the licence texts.
#
# Linux on x86-64 and arm64. macOS is written for, and untested.
set -euo pipefail

ME=native
# shellcheck source=internal/native/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=internal/native/onnxruntime.sh
source "$(dirname "${BASH_SOURCE[0]}")/onnxruntime.sh"
# shellcheck source=internal/native/tokenizers.sh
source "$(dirname "${BASH_SOURCE[0]}")/tokenizers.sh"

CACHE=$(cache_dir)
NATIVE=$CACHE/native
PLATFORM=$(platform)

ensure() {
	local part
	for part in "$@"; do
		if "${part}_present"; then continue; fi
		case $PLATFORM in
		linux-x64 | linux-arm64) ;;
		darwin-*) say "warning: macOS is written for, and untested" ;;
		*) die "no native libraries for $PLATFORM: known are linux-x64, linux-arm64, darwin-arm64" ;;
		esac
		mkdir -p "$NATIVE" 2>/dev/null || die "cannot make $NATIVE: set RERANKD_CACHE to a folder of yours"
		lock "$NATIVE/.lock"
		# Another run may have finished it while this one waited.
		"${part}_present" || "${part}_install"
	done
}

case ${1:-all} in
all) ensure onnxruntime tokenizers ;;
onnxruntime | tokenizers) ensure "$1" ;;
path)
	case ${2:-} in
	cache) echo "$CACHE" ;;
	onnxruntime) onnxruntime_dir ;;
	tokenizers) tokenizers_dir ;;
	*) die "usage: native.sh path cache|onnxruntime|tokenizers" ;;
	esac
	;;
env)
	printf 'export RERANKD_CACHE=%q\n' "$CACHE"
	printf 'export CGO_LDFLAGS=%q\n' "-L$(tokenizers_dir)"
	;;
*) die "unknown argument $1: see the head of $0" ;;
esac
