#!/usr/bin/env bash
# Packs dist/rerankd-VERSION-PLATFORM.tar.gz: the program with its library
# beside it, and every licence that must travel with them. Then unpacks it
# elsewhere and proves that it runs there with an empty environment, as a user
# without a home. `make dist` builds the program first and calls this.
set -euo pipefail

ME=dist
# shellcheck source=internal/native/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../internal/native/common.sh"

VERSION=${1:?usage: dist.sh VERSION}
NAME=rerankd-${VERSION//[^A-Za-z0-9._-]/-}-$(platform)
NATIVE_SH=$CHECKOUT/internal/native/native.sh
RUNTIME=$("$NATIVE_SH" path onnxruntime)
TOKENIZERS=$("$NATIVE_SH" path tokenizers)

# What the program and the library may need from the system: the C and C++
# runtimes. Anything else would have to be installed first.
SYSTEM='linux-vdso|ld-linux|libc|libm|libdl|librt|libpthread|libresolv|libgcc_s|libstdc\+\+'

# go_licences prints the licence files of every Go module in the program.
go_licences() {
	local path version dir file
	printf 'Go and the Go modules in this program, each with its licence.\n'
	printf '\n---- Go ----\n\n'
	cat "$(go env GOROOT)/LICENSE"
	while read -r path version; do
		dir=$(cd "$CHECKOUT" && go list -m -f '{{.Dir}}' "$path")
		printf '\n---- %s %s ----\n' "$path" "$version"
		file=$(find "$dir" -maxdepth 1 -type f \( -iname 'LICEN[CS]E*' -o -iname 'COPYING*' -o -iname 'NOTICE*' \) | sort)
		[[ -n $file ]] || die "$path $version has no licence file: it cannot be packed"
		while IFS= read -r file; do printf '\n' && cat "$file"; done <<<"$file"
	done < <(go version -m "$CHECKOUT/bin/rerankd" | awk '$1 == "dep" {print $2, $3}')
}

# notice FILE REMEDY prints FILE, or stops: an archive without it may not be
# handed on.
notice() {
	[[ -s $1 ]] || die "$1 is missing: $2"
	cat "$1"
}

pack() {
	local root=$1/$NAME
	mkdir -p "$root/lib" "$root/licenses" "$root/configs"
	cp "$CHECKOUT/bin/rerankd" "$root/rerankd"
	cp "$RUNTIME"/libonnxruntime* "$root/lib/"
	cp "$CHECKOUT/LICENSE" "$CHECKOUT/NOTICE" "$CHECKOUT/README.md" "$root/"
	cp "$CHECKOUT"/configs/*.yaml "$root/configs/"
	notice "$RUNTIME/ThirdPartyNotices.txt" \
		"the source of this library carries none; remove $RUNTIME and run RERANKD_NATIVE_SOURCES='pip mvn' make native" \
		>"$root/licenses/onnxruntime.txt"
	notice "$TOKENIZERS/LICENSES-rust.txt" \
		"a ready libtokenizers.a carries none; remove $TOKENIZERS and run make native with cargo installed" \
		>"$root/licenses/rust.txt"
	go_licences >"$root/licenses/go.txt"
	chmod -R a+rX "$root"
	mkdir -p "$CHECKOUT/dist"
	tar -C "$1" --owner=0 --group=0 --numeric-owner -czf "$CHECKOUT/dist/$NAME.tar.gz" "$NAME"
	(cd "$CHECKOUT/dist" && sha256_of "$NAME.tar.gz" | sed "s/\$/  $NAME.tar.gz/" >"$NAME.tar.gz.sha256")
}

# only_system FILE... stops when a file needs a library of its own.
only_system() {
	local file needs
	for file in "$@"; do
		needs=$(ldd "$file") || die "ldd cannot read $file"
		if grep -q 'not found' <<<"$needs" || grep -vqE "(^|/|[[:space:]])($SYSTEM)([-.]|\.so)" <<<"$needs"; then
			die "$file needs more than the system's C and C++ runtimes:"$'\n'"$needs"
		fi
	done
}

# as_stranger COMMAND... runs COMMAND from the root folder, without an
# environment and, where that is possible, as a user who owns nothing.
as_stranger() {
	local become=()
	if ((EUID == 0)) && have setpriv; then
		become=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	fi
	(cd / && ${become[@]+"${become[@]}"} env -i "$@")
}

prove() {
	local root=$1/$NAME told
	tar -C "$1" -xzf "$CHECKOUT/dist/$NAME.tar.gz"
	only_system "$root/rerankd" "$root"/lib/*
	told=$(as_stranger "$root/rerankd" version) || die "the unpacked program does not run"
	printf '%s\n' "$told"
	grep -qi 'onnx *runtime.*[0-9]\.[0-9]' <<<"$told" || die "the unpacked program did not load the library beside it"
	as_stranger "$root/rerankd" check || die "the unpacked program refuses its own defaults"
}

if [[ $OSTYPE != linux* ]]; then die "only Linux archives are packed: the proof needs ldd"; fi
"$NATIVE_SH"
mkdir -p "$CHECKOUT/dist"
stage "$CHECKOUT/dist"
pack "$STAGE"
# Proven outside of the checkout and of any home.
proof=$(mktemp -d)
STAGES+=("$proof")
chmod 755 "$proof"
prove "$proof"
say "dist/$NAME.tar.gz is packed and runs ($(du -h "$CHECKOUT/dist/$NAME.tar.gz" | cut -f1))"
