#!/usr/bin/env bash
# Makes the default model: `make train`. The Python environment and everything
# that the stages make lie in the cache folder; a stage that is done is not done
# again, and training goes on from its last checkpoint.
#
#   train.sh --data FOLDER… [--eval FOLDER…] [--quick] [--from MODEL] [--out DIR] [--work DIR] [option of train…]
#   train.sh STAGE [option…]       one stage alone: teachers prepare teach train tiny export ablate
set -euo pipefail

ME=train
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=internal/native/common.sh
source "$HERE/../internal/native/common.sh"

usage() {
	sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
	printf '\n--quick is a short run on a sample of the data: under 20 minutes on two cores, and no model to ship.\nThe options of the stages: %s STAGE --help\n' "$0"
}

STAGES=' teachers prepare teach train tiny export ablate '
WORK=$(cache_dir)/training
VENV=$WORK/venv

# environment makes the virtual environment unless it is there as required.
environment() {
	local wanted
	wanted=$(sha256_of "$HERE/requirements.txt")
	[[ -f $VENV/.requirements && $(<"$VENV/.requirements") == "$wanted" ]] && return
	mkdir -p "$WORK"
	python3 -m venv "$VENV" || die "python3 cannot make a virtual environment: install python3-venv"
	say "installing PyTorch and what else the recipe needs into $VENV (some minutes, once)"
	"$VENV/bin/pip" install -q -r "$HERE/requirements.txt" || die "pip could not install requirements.txt: see above"
	printf '%s' "$wanted" >"$VENV/.requirements"
}

stage_of() { (cd "$HERE" && PYTHONUNBUFFERED=1 "$VENV/bin/python" -m distill "$@"); }

[[ ${1:-} != --help && ${1:-} != -h ]] || { usage; exit 0; }
if [[ $STAGES == *" ${1:-none} "* ]]; then
	environment
	[[ " $* " == *" --work "* ]] || set -- "$@" --work "$WORK/full"
	[[ " $* " == *" --help "* || $1 == teachers ]] || stage_of teachers --work "$(sed -E 's/.* --work ([^ ]+).*/\1/' <<<" $*")"
	stage_of "$@"
	exit
fi

quick=no data=() eval=() out='' work='' rest=() start='' prepare=() teach=() train=()
while (($#)); do
	case $1 in
		--quick) quick=yes ;;
		--data) while (($# > 1)) && [[ $2 != --* ]]; do data+=("$(realpath "$2")") && shift; done ;;
		--eval) while (($# > 1)) && [[ $2 != --* ]]; do eval+=("$(realpath "$2")") && shift; done ;;
		--work) work=$(realpath -m "$2") && shift ;;
		--groups) teach=(--groups "$2") && shift ;;
		--out) out=$(realpath -m "$2") && shift ;;
		--from) start=$(realpath "$2") && shift ;;
		*) rest+=("$1") ;;
	esac
	shift
done
((${#data[@]} > 0)) || die "name the training data with --data (make train DATA=…): see training/README.md"
for folder in "${data[@]}" "${eval[@]}"; do
	[[ -d $folder ]] || die "$folder: no such folder; training/README.md says what it should hold"
done

if [[ $quick == yes ]]; then
	work=${work:-$WORK/quick}
	prepare=(--limit 60)
	teach=(--groups 400)
	train=(--minutes 5 --warmup 10 --average-every 1 --rate 1e-4)
fi
work=${work:-$WORK/full}
[[ -z $start ]] || train+=(--from "$start" --rate 5e-5)
environment
mkdir -p "$work"
stage_of teachers --work "$work"
[[ -f $work/prepared.npz ]] || stage_of prepare --work "$work" --data "${data[@]}" --eval "${eval[@]}" "${prepare[@]}"
[[ -f $work/taught.npz ]] || stage_of teach --work "$work" "${teach[@]}"
stage_of train --work "$work" "${train[@]}" "${rest[@]}"
for form in int8 fp32; do
	stage_of export --work "$work" --form "$form" --out "${out:-$work/mini}-$form"
done
say "the model is in ${out:-$work/mini}-int8: rerankd eval FOLDER --model ${out:-$work/mini}-int8 tells what it is worth"
