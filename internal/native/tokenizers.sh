# shellcheck shell=bash
# libtokenizers.a: the Rust tokenizer that github.com/daulet/tokenizers links.
# Sourced by native.sh.
#
# No package registry holds it compiled, so cargo builds it here from the Go
# module's own source. A build differs from machine to machine, so there is no
# checksum of the result to pin; the source is pinned instead: the Go module by
# go.sum, each Rust crate by the checksum in tokenizers.lock.

TOKENIZERS_VERSION=1.27.0
TOKENIZERS_MODULE=github.com/daulet/tokenizers

# The module names this crate by a git address and without a version; the same
# crate stands in the Rust registry, whose checksums cargo can verify.
TIKTOKEN_VERSION=0.9.1

tokenizers_dir() { echo "$NATIVE/tokenizers-$TOKENIZERS_VERSION-$PLATFORM"; }

tokenizers_present() { [[ -s $(tokenizers_dir)/libtokenizers.a ]]; }

# tokenizers_source prints the folder of the module's source, which go has
# checked against go.sum.
tokenizers_source() {
	local version dir
	have go || die "go is not installed: install the version that go.mod names"
	(cd "$CHECKOUT" && go mod download "$TOKENIZERS_MODULE") || die "go mod download $TOKENIZERS_MODULE ended with an error"
	read -r version dir < <(cd "$CHECKOUT" && go list -m -f '{{.Version}} {{.Dir}}' "$TOKENIZERS_MODULE")
	[[ $version == "v$TOKENIZERS_VERSION" ]] ||
		die "go.mod wants $TOKENIZERS_MODULE $version, this script is for v$TOKENIZERS_VERSION: change TOKENIZERS_VERSION and tokenizers.lock with it"
	printf '%s\n' "$dir"
}

# tokenizers_check LIBRARY SOURCE stops unless LIBRARY defines what the Go side
# links: the version symbol and every function of the header.
tokenizers_check() {
	local symbol
	while IFS= read -r symbol; do
		grep -a -q -w "$symbol" "$1" || die "$1 lacks $symbol: it is not libtokenizers.a for $TOKENIZERS_MODULE v$TOKENIZERS_VERSION"
	done < <(grep -h -o -w -E 'tokenizers_[a-z_]+\(|tokenizers_version_[0-9_]+' "$2/tokenizers.h" "$2/tokenizer.go" | tr -d '(' | sort -u)
}

# tokenizers_given takes what the user names: the library or an archive of it.
tokenizers_given() {
	local given=$1 lib source
	[[ -f $given ]] || die "RERANKD_TOKENIZERS=$given: no such file"
	source=$(tokenizers_source)
	stage "$NATIVE"
	case $given in
	*.tgz | *.tar.gz | *.zip)
		unpack "$given" '(^|/)libtokenizers\.a$' "$STAGE/x" || die "RERANKD_TOKENIZERS=$given: no libtokenizers.a in this archive"
		lib=$(find "$STAGE/x" -type f -name libtokenizers.a | head -n1)
		;;
	*) lib=$given ;;
	esac
	tokenizers_check "$lib" "$source"
	say "libtokenizers.a from $given, sha256 $(sha256_of "$lib"); there is no checksum to compare it with"
	tokenizers_keep "$lib" "given: $given"
}

# tokenizers_keep LIBRARY ORIGIN [LICENCES] publishes a checked library.
tokenizers_keep() {
	stage "$NATIVE"
	cp "$1" "$STAGE/libtokenizers.a"
	chmod 644 "$STAGE/libtokenizers.a"
	if [[ -n ${3:-} ]]; then cp "$3" "$STAGE/LICENSES-rust.txt"; fi
	printf '%s\nsha256 %s\n' "$2" "$(sha256_of "$1")" >"$STAGE/ORIGIN"
	publish "$STAGE" "$(tokenizers_dir)"
	say "libtokenizers.a is in $(tokenizers_dir)"
}

tokenizers_tools() {
	local remedy="or set RERANKD_TOKENIZERS to libtokenizers.a or a release archive of $TOKENIZERS_MODULE v$TOKENIZERS_VERSION"
	have cargo || die "cargo is not installed: install Rust 1.78 or newer (rustup, or your system's cargo; cargo-web on Debian 12), $remedy"
	local version
	version=$(cargo --version | cut -d' ' -f2)
	at_least "${version%%-*}" 1.78.0 || die "cargo is version $version, the lock file needs 1.78 or newer: update Rust, $remedy"
	have cc || die "no C compiler: install gcc or clang, $remedy"
}

# tokenizers_licences WORK writes the licence of every crate that is linked in.
# Equal texts are written once, under the names of all crates that carry them.
tokenizers_licences() {
	local name version licence dir file sum texts=$1/texts registry=${CARGO_HOME:-${HOME:-}/.cargo}/registry/src
	mkdir -p "$texts"
	printf 'What libtokenizers.a links into this program: the Rust standard library (MIT OR Apache-2.0)\nand the crates below, each with its licence.\n\n'
	while read -r name version licence; do
		printf '%s %s: %s\n' "$name" "$version" "$licence"
		for dir in "$registry"/*/"$name-${version#v}"; do
			[[ -d $dir ]] || continue
			while IFS= read -r file; do
				sum=$(sha256_of "$file")
				[[ -f $texts/$sum.text ]] || cp "$file" "$texts/$sum.text"
				printf '%s %s\n' "$name" "${version#v}" >>"$texts/$sum.names"
			done < <(find "$dir" -maxdepth 2 -type f \( -iname 'LICEN[CS]E*' -o -iname 'COPYING*' -o -iname 'NOTICE*' \) | sort)
		done
	done < <(cd "$1" && cargo tree --locked --offline -p tokenizers-ffi -e normal --prefix none --format '{p} {l}' |
		sed -E 's/ \((\/[^)]*|\*|proc-macro)\)//g' | sort -u)
	for file in "$texts"/*.text; do
		[[ -f $file ]] || continue
		printf '\n%s\n%s\n\n' "----------------------------------------------------------------" \
			"$(sort -u "${file%.text}.names" | paste -sd, - | sed 's/,/, /g'):"
		cat "$file"
	done
}

tokenizers_cargo() { (cd "$1" && cargo build --locked --release --target-dir "$1/target" -p tokenizers-ffi >&2); }

tokenizers_build() {
	local source work
	tokenizers_tools
	source=$(tokenizers_source)
	stage "$NATIVE" && work=$STAGE
	cp -R "$source/." "$work"
	chmod -R u+w "$work"
	# Edited through a copy: sed -i differs between GNU and BSD.
	sed -E "s#^tiktoken-rs = .*#tiktoken-rs = \"=$TIKTOKEN_VERSION\"#" "$source/crates/tokenizers/Cargo.toml" >"$work/crates/tokenizers/Cargo.toml"
	sed '/crates\/tokenizers-wasm/d' "$source/Cargo.toml" >"$work/Cargo.toml"
	cp "$CHECKOUT/internal/native/tokenizers.lock" "$work/Cargo.lock"
	during "building libtokenizers.a with cargo (two to three minutes on two cores)" tokenizers_cargo "$work" ||
		die "cargo could not build libtokenizers.a: see above, or set RERANKD_TOKENIZERS"
	tokenizers_check "$work/target/release/libtokenizers_ffi.a" "$source"
	tokenizers_licences "$work" >"$work/LICENSES-rust.txt"
	tokenizers_keep "$work/target/release/libtokenizers_ffi.a" \
		"built by $(cargo --version) from $TOKENIZERS_MODULE v$TOKENIZERS_VERSION" "$work/LICENSES-rust.txt"
}

tokenizers_install() {
	if [[ -n ${RERANKD_TOKENIZERS:-} ]]; then
		tokenizers_given "$RERANKD_TOKENIZERS"
	else
		tokenizers_build
	fi
}
