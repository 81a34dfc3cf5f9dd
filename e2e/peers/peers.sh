#!/usr/bin/env bash
# Compares rerankd with its peers: `make bench-peers`. The Python environments
# and the models lie in the cache folder, an environment by the digest of its
# list; what is there is not made again.
#
#   peers.sh [option…]     see peers.sh --help
set -euo pipefail

ME=peers
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=internal/native/common.sh
source "$HERE/../../internal/native/common.sh"

PEERS=$(cache_dir)/peers
UV_VERSION=0.13.9
CORES=2

# environment NAME prints the folder of the virtual environment that
# requirements-NAME.txt describes. PyTorch's wheels carry gigabytes: uv keeps
# each file once on the disk for all environments, which pip does not.
environment() {
	local list=$HERE/python/requirements-$1.txt venv
	venv=$PEERS/$1-$(sha256_of "$list" | cut -c1-16)
	if [[ ! -f $venv/.complete ]]; then
		rm -rf "$venv"
		python3 -m venv "$venv" || die "python3 cannot make a virtual environment: install python3-venv"
		"$venv/bin/pip" install -q "uv==$UV_VERSION" || die "pip could not install uv: see above"
		during "installing $(basename "$list") into $venv (5 GB for all, once)" \
			env "UV_CACHE_DIR=$PEERS/uv-cache" "$venv/bin/uv" pip install -q -p "$venv/bin/python" -r "$list" ||
			die "what $list names could not be installed: see above"
		touch "$venv/.complete"
	fi
	printf '%s\n' "$venv"
}

mkdir -p "$PEERS"
lock "$PEERS/.lock"
libraries=$(environment libraries)
infinity=$(environment infinity) || infinity=
models=$PEERS/models-$(cat "$HERE/python/models.py" "$CHECKOUT"/training/quantize/*.py | sha256_of /dev/stdin | cut -c1-16)
[[ -f $models/.done ]] || during "making the models in $models (a minute, once)" "$libraries/bin/python" "$HERE/python/models.py" "$models"
eval "$("$CHECKOUT/internal/native/native.sh" env)" # what the linker wants
(cd "$CHECKOUT" && go build -o bin/peers ./e2e/peers)
exec 8>&- # what comes takes long, and installs nothing

# On more cores than two, all peers get the same two.
run=(env -C "$CHECKOUT")
if have taskset && (($(nproc) > CORES)); then run+=(taskset -c "0-$((CORES - 1))"); fi
exec "${run[@]}" bin/peers --program "$CHECKOUT/bin/rerankd" --models "$models" --libraries "$libraries" --infinity "$infinity" \
	--scripts "$HERE/python" --goroot "$(go env GOROOT)" --version "$(git -C "$CHECKOUT" describe --tags --always --dirty)" "$@"
