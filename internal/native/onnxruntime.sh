# shellcheck shell=bash
# ONNX Runtime: one shared library, loaded by the program at run time.
# Sourced by native.sh.

ONNXRUNTIME_VERSION=1.30.0

# The binding compiled into the program speaks API 29: an older library refuses
# to load ("Error setting ORT API base: 2").
ONNXRUNTIME_OLDEST=1.29.0

# Each checksum was computed from the file in the package that is named beside
# it. The libraries of pip and npm gave bit-equal scores. Maven Central's newest
# is 1.29.0, which scored the built-in int8 model up to 0.15 apart: the last
# resort. A source without a row for a platform is not asked on that platform.
onnxruntime_pins() {
	cat <<-'END'
		c902c70b3003c0e99fada202f37478c515ae9bba7944c2b2abd0017bae0c82ed linux-x64    pip 1.30.0
		8a218e1e446880131115c368ec7005969a5022af9a15a26173de648fef0b7789 linux-arm64  pip 1.30.0
		ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23 linux-x64    npm 1.30.0
		1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76 linux-arm64  npm 1.30.0
		685d2be5dba1309c89d3a5324b7fd06a5c42f1a61bfea32d14c4cc28d072121d darwin-arm64 npm 1.30.0
		5715f06d8992ca8eeeddcce43df3a7d38f97d537052126f558e912cb312460ca linux-x64    mvn 1.29.0
		a27d21126db312aa8f02f3d5eaebe466e991f51f469882e6d0407d5a8b64afda linux-arm64  mvn 1.29.0
		07c5a23fecedb27d9325b1b2ba0c87830173f87b64edf2b294e32931af5c09cb darwin-arm64 mvn 1.29.0
	END
}

onnxruntime_file() {
	case $PLATFORM in
	darwin-*) echo libonnxruntime.1.dylib ;;
	*) echo libonnxruntime.so.1 ;;
	esac
}

onnxruntime_dir() { echo "$NATIVE/onnxruntime-$ONNXRUNTIME_VERSION-$PLATFORM"; }

onnxruntime_present() { [[ -s $(onnxruntime_dir)/$(onnxruntime_file) ]]; }

# What of a package is looked at: the library under each of its names, and the
# notices that must travel with it.
ONNXRUNTIME_MEMBERS='(^|/)(libonnxruntime(\.so[.0-9]*|[.0-9]*\.dylib)|LICENSE|ThirdPartyNotices\.txt)$'

# onnxruntime_get SOURCE VERSION DIR fetches the package of SOURCE into DIR.
onnxruntime_get() {
	local tag
	case $1 in
	pip)
		tag=x86_64 && [[ $PLATFORM == *-arm64 ]] && tag=aarch64
		# Only the library inside is wanted: the wheel of any Python version does.
		during "fetching ONNX Runtime $2 with pip (23 MB)" pip_download "$3" --platform "manylinux_2_28_$tag" \
			--python-version 3.12 --implementation cp --abi cp312 "onnxruntime==$2"
		;;
	npm) during "fetching ONNX Runtime $2 with npm (114 MB)" npm_download "$3" "onnxruntime-node@$2" ;;
	mvn) during "fetching ONNX Runtime $2 with mvn (55 MB)" mvn_download "$3" "com.microsoft.onnxruntime:onnxruntime:$2:jar" ;;
	esac
}

# onnxruntime_pick prints the one library below DIR that is for this platform.
onnxruntime_pick() {
	local f
	while IFS= read -r f; do
		if [[ $(platform_of "$f") == "$PLATFORM" ]]; then
			printf '%s\n' "$f"
			return 0
		fi
	done < <(find "$1" -type f -name 'libonnxruntime*' | sort)
	return 1
}

# onnxruntime_version_of prints the version a library says of itself, or
# nothing: the files for macOS carry none that can be read this way.
onnxruntime_version_of() {
	{ grep -a -o -m1 'VERS_1\.[0-9]*\.[0-9]*' "$1" || true; } | head -n1 | sed 's/^VERS_//'
}

# onnxruntime_keep LIBRARY DIR ORIGIN publishes a checked library with the
# notices found below DIR.
onnxruntime_keep() {
	local notice
	stage "$NATIVE"
	cp "$1" "$STAGE/$(onnxruntime_file)"
	chmod 644 "$STAGE/$(onnxruntime_file)"
	for notice in LICENSE ThirdPartyNotices.txt; do
		find "$2" -type f -name "$notice" -exec cp {} "$STAGE/$notice" \;
	done
	printf '%s\nsha256 %s\n' "$3" "$(sha256_of "$1")" >"$STAGE/ORIGIN"
	publish "$STAGE" "$(onnxruntime_dir)"
	say "ONNX Runtime is in $(onnxruntime_dir)"
}

# onnxruntime_given takes what the user names: a library, or an archive with one.
onnxruntime_given() {
	local given=$1 lib dir version sha
	[[ -f $given ]] || die "RERANKD_ONNXRUNTIME=$given: no such file"
	stage "$NATIVE" && dir=$STAGE
	case $given in
	*.tgz | *.tar.gz | *.zip | *.whl | *.jar)
		unpack "$given" "$ONNXRUNTIME_MEMBERS" "$dir" || die "RERANKD_ONNXRUNTIME=$given: no libonnxruntime in this archive"
		;;
	*) cp "$given" "$dir/libonnxruntime.given" ;;
	esac
	lib=$(onnxruntime_pick "$dir") || die "RERANKD_ONNXRUNTIME=$given: no library for $PLATFORM in it"
	grep -a -q OrtGetApiBase "$lib" || die "RERANKD_ONNXRUNTIME=$given: not ONNX Runtime: it has no OrtGetApiBase"
	version=$(onnxruntime_version_of "$lib")
	if [[ -z $version ]]; then
		say "warning: the version of $given cannot be read; it must be $ONNXRUNTIME_OLDEST or newer"
	elif ! at_least "$version" "$ONNXRUNTIME_OLDEST"; then
		die "RERANKD_ONNXRUNTIME=$given: version $version, need $ONNXRUNTIME_OLDEST or newer"
	fi
	sha=$(sha256_of "$lib")
	say "ONNX Runtime ${version:-of unknown version} from $given, sha256 $sha"
	onnxruntime_pins | grep -q "^$sha " || say "warning: that checksum is not one of those pinned here"
	onnxruntime_keep "$lib" "$dir" "given: $given ${version:-}"
}

# onnxruntime_from SOURCE fetches and checks: it leaves the library's path in
# FOUND, its folder in FOUND_DIR and what it is in FOUND_ORIGIN, or returns 1
# with a note on why this source cannot give it. It publishes nothing itself:
# it runs as a condition, where bash does not stop at a command that fails.
onnxruntime_from() {
	local source=$1 want version got
	read -r want version < <(onnxruntime_pins | awk -v p="$PLATFORM" -v s="$source" '$2 == p && $3 == s {print $1, $4}')
	if [[ -z $want ]]; then
		note "$source: no library for $PLATFORM from it has been checked"
	elif ! "have_$source"; then
		note "$source: not installed"
	elif ! { stage "$NATIVE" && onnxruntime_get "$source" "$version" "$STAGE"; }; then
		note "$source: the download of $version ended with an error"
	elif ! unpack "$(find "$STAGE" -maxdepth 1 -type f | head -n1)" "$ONNXRUNTIME_MEMBERS" "$STAGE/x" ||
		! FOUND=$(onnxruntime_pick "$STAGE/x"); then
		note "$source: no library for $PLATFORM in the package"
	else
		got=$(sha256_of "$FOUND")
		[[ $got == "$want" ]] ||
			die "ONNX Runtime $version by $source: sha256 is $got, want $want; the package has changed, nothing was installed"
		[[ $version == "$ONNXRUNTIME_VERSION" ]] ||
			say "warning: $source carries $version, whose int8 scores differ slightly; rerankd is tested with $ONNXRUNTIME_VERSION"
		FOUND_DIR=$STAGE/x
		FOUND_ORIGIN="$source $version"
		return 0
	fi
	return 1
}

onnxruntime_install() {
	local source
	if [[ -n ${RERANKD_ONNXRUNTIME:-} ]]; then
		onnxruntime_given "$RERANKD_ONNXRUNTIME"
		return
	fi
	NOTES=()
	for source in ${RERANKD_NATIVE_SOURCES:-pip npm mvn}; do
		case $source in
		pip | npm | mvn) ;;
		*) die "RERANKD_NATIVE_SOURCES: unknown source $source, known are pip npm mvn" ;;
		esac
		if onnxruntime_from "$source"; then
			onnxruntime_keep "$FOUND" "$FOUND_DIR" "$FOUND_ORIGIN"
			return
		fi
	done
	say "no source gave ONNX Runtime $ONNXRUNTIME_VERSION for $PLATFORM:"
	printf '  %s\n' ${NOTES[@]+"${NOTES[@]}"} >&2
	die "install one of python3-pip, npm, maven, or set RERANKD_ONNXRUNTIME to a library or release archive of version $ONNXRUNTIME_VERSION"
}
