# `make help` is the map. Every target that compiles or runs something first
# sees to the native libraries, and does nothing where they are present.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

NATIVE := internal/native/native.sh
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)
FUZZTIME ?= 10s
BENCHTIME ?= 2s

# The cache folder is fixed here, once: tests run in other folders.
export RERANKD_CACHE := $(shell $(NATIVE) path cache)
export CGO_LDFLAGS := '-L$(shell $(NATIVE) path tokenizers)' $(CGO_LDFLAGS)

# Tools are installed into the cache folder, one folder a version.
GOLANGCI_VERSION := 2.15.0
GOFUMPT_VERSION := 0.12.0
GOLANGCI := $(RERANKD_CACHE)/tools/golangci-lint-$(GOLANGCI_VERSION)/golangci-lint
GOFUMPT := $(RERANKD_CACHE)/tools/gofumpt-$(GOFUMPT_VERSION)/gofumpt
GOTESTSUM_VERSION := 1.13.0
GOTESTSUM := $(RERANKD_CACHE)/tools/gotestsum-$(GOTESTSUM_VERSION)/gotestsum
GO_FILES = git ls-files --cached --others --exclude-standard '*.go'

# install FILE PACKAGE@VERSION installs a Go tool unless FILE is there. The
# linker flags above are for the project, not for its tools.
define install
if [[ ! -x "$(1)" ]]; then \
	echo "installing $(2) (some minutes, once)"; \
	CGO_LDFLAGS= GOFLAGS= GOBIN="$$(dirname "$(1)")" go install $(2); \
fi
endef

.PHONY: help
help: ## print this map
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: native
native: ## fetch or build ONNX Runtime and libtokenizers.a into the cache folder
	@$(NATIVE)

.PHONY: build
build: native ## build bin/rerankd
	go build -trimpath -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o bin/rerankd ./cmd/rerankd

.PHONY: demo
demo: build ## rerank a real Elasticsearch's hits before your eyes; ARGS=--once ends by itself
	@bin/rerankd demo $(ARGS)

# gotestsum prints go test's own lines, and at the end what was skipped and why.
.PHONY: test
test: native ## run every test, race detector on, a real Elasticsearch included
	@$(call install,$(GOTESTSUM),gotest.tools/gotestsum@v$(GOTESTSUM_VERSION))
	"$(GOTESTSUM)" --format standard-quiet -- -race -shuffle=on -timeout 20m ./...

# Run in its folder, go test prints the summary that the tests write, and no more.
.PHONY: conformance
conformance: native ## hold the program against Elasticsearch's answers, case by case
	@cd e2e && go test -count=1 -timeout 20m -run '^TestConformance|^TestTheConformance'

.PHONY: conformance-serve
conformance-serve: native ## start a cluster with the cases' fixtures and the program before it, until Ctrl-C
	@go run ./e2e/conformance/serve $(ARGS)

.PHONY: bench
bench: native ## measure pass-through, added latency and pairs a second; BENCHTIME=2s each
	go test ./e2e -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) -timeout 60m

.PHONY: soak
soak: build ## load the program for ten minutes and watch its memory; ARGS='-for 1m' for a short one
	@go run ./e2e/soak $(ARGS)

# Two cores for every peer, in turns. Nothing else should run on the machine.
.PHONY: bench-peers
bench-peers: build ## measure rerankers and proxies beside this one: ARGS='--quick', '--only mixed,pass', '--help'
	@e2e/peers/peers.sh $(ARGS)

# fuzz_one TARGET DIR fuzzes one target. At its end Go's engine now and then
# reports its own deadline as a failure, without an input: that is tried again, and
# is no result. So results are shown when it is clear whose they are.
define fuzz_one
for try in 1 2 3; do \
	if go test -run '^$$' -fuzz "^$(1)\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x "$(2)" 2>&1 | tee "$$log" | { grep --line-buffered '^fuzz: ' || true; }; then \
		grep -v '^fuzz: ' "$$log"; break; \
	fi; \
	if [[ $$try == 3 ]] || ! grep -q 'context deadline exceeded' "$$log" || grep -q 'Failing input' "$$log"; then \
		grep -v '^fuzz: ' "$$log"; exit 1; \
	fi; \
	echo "Go's fuzzing engine ran out of its own time: again"; \
done
endef

.PHONY: fuzz
fuzz: native ## run every fuzz target for FUZZTIME=10s
	@found=0; log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	while read -r dir; do \
		targets=$$(go test -list '^Fuzz' "$$dir"); \
		for target in $$(grep '^Fuzz' <<<"$$targets"); do \
			found=1; \
			echo "fuzzing $$target in $$dir for $(FUZZTIME)"; \
			$(call fuzz_one,$$target,$$dir); \
		done; \
	done < <($(GO_FILES) | xargs grep -lE '^func Fuzz' | xargs -r -n1 dirname | sort -u | sed 's#^#./#'); \
	[[ $$found == 1 ]] || { echo 'no fuzz target found'; exit 1; }

.PHONY: fmt
fmt: ## format the Go files
	@$(call install,$(GOFUMPT),mvdan.cc/gofumpt@v$(GOFUMPT_VERSION))
	@$(GO_FILES) | xargs "$(GOFUMPT)" -w

.PHONY: lint
lint: native ## formatting, go vet, golangci-lint, tidiness of go.mod
	@$(call install,$(GOFUMPT),mvdan.cc/gofumpt@v$(GOFUMPT_VERSION))
	@$(call install,$(GOLANGCI),github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI_VERSION))
	@failed=; out=$$($(GO_FILES) | xargs "$(GOFUMPT)" -d) || failed=1; \
	if [[ -n $$out || $$failed ]]; then printf '%s\n' "$$out" 'run make fmt'; exit 1; fi
	go mod tidy -diff
	go vet ./...
	"$(GOLANGCI)" run --allow-parallel-runners ./...

.PHONY: check
check: lint test fuzz ## all that a change must pass: lint, test, fuzz

# What `make train` trains on: a folder of sources, or several. See training/README.md.
DATA ?= ../shared/data/train
.PHONY: train
train: ## make the default model again from training data: DATA=folders, ARGS=--quick for a short one
	@training/train.sh --data $(DATA) $(ARGS)

.PHONY: dist
dist: build ## pack an archive that runs from any folder, and prove it
	@deploy/dist.sh '$(VERSION)'

.PHONY: clean
clean: ## remove what was built here; the cache folder stays
	rm -rf bin dist
