# muster. "make" alone says what there is.

GO      ?= go
BIN     := bin/muster
# How many scenarios with agents of their own run at a time.
JOBS    ?= 2
# How many seeds the simulation tries, and the first of them.
SEEDS   ?= 200
FIRST   ?= 1
# How many members the week of gossip has.
MEMBERS ?= 20
# How long each fuzz target runs.
FUZZTIME ?= 10s
# What "make bench" measures: names of scenarios, see "go run ./test/bench -list".
BENCH   ?= idle,kv-*,health-10,dns-a-5
# The browser of the tests of the web page.
CHROMIUM ?= /usr/bin/chromium
# Arguments for the agent of "make dev".
ARGS    ?=

# The packages in which goroutines meet: tested once more with the race detector.
CONCURRENT := acl boot check dnsd gossip httpd leader local ops quorum relay rexec state view watches wire \
              internal/log internal/memnet internal/meter internal/process test/cluster
RACE := $(foreach p,$(CONCURRENT),$(if $(wildcard $(p)/.),./$(p)/...))

.DEFAULT_GOAL := help
.PHONY: help dev build test lint cross unit race sim soak week mutants conformance client fuzz bench cover packages release image clean check-go check-cc check-node ui ui-check ui-test ui-all

help: ## say what there is
	@echo 'usage: make TARGET'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: build ## run an agent in development mode (ARGS='...' for more)
	./$(BIN) agent -dev $(ARGS)

build: check-go ## build bin/muster
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -o $(BIN) ./cmd/muster

test: lint cross unit race sim conformance client ui-test ## everything that must be green before a change goes in

lint: check-go ## gofmt, go vet, staticcheck
	@echo '== gofmt'
	@bad=$$(git ls-files -co --exclude-standard '*.go' | xargs -r ls -d 2>/dev/null | xargs -r gofmt -l); \
	if [ -n "$$bad" ]; then echo "not formatted (run gofmt -w on them):"; echo "$$bad"; exit 1; fi
	@echo '== go vet'
	@$(GO) vet ./...
	@echo '== staticcheck'
	@$(GO) tool staticcheck ./...

# What the targets of a release differ in is the operating system.
cross: check-go ## check that it compiles for other systems
	@echo '== other systems'
	@for target in windows/amd64 darwin/arm64; do \
	  CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} $(GO) vet ./cmd/muster ./cli/... ./boot/... ./internal/... || exit 1; \
	done

unit: check-go ## unit tests, the rules of the house among them
	@echo '== unit tests'
	@$(GO) test -timeout 5m ./...

race: check-go check-cc ## the packages with concurrency, under the race detector
	@echo '== race detector'
	@$(GO) test -race -timeout 5m $(RACE)

sim: check-go ## whole agents under faults in virtual time: SEEDS (200), FIRST (1)
	@echo '== simulation: $(SEEDS) seeds from $(FIRST)'
	@mkdir -p bin/sim-failures
	@$(GO) test -c -o bin/sim.test ./test/cluster
	@for i in $$(seq 0 $$(($(JOBS) - 1))); do \
	  (cd test/cluster && GOMAXPROCS=1 GOGC=300 ../../bin/sim.test -test.run '^TestSim$$' -test.timeout 100h \
	    -seed $$(($(FIRST) + i)) -step $(JOBS) -seeds $$((($(SEEDS) + $(JOBS) - 1) / $(JOBS))) \
	    -failures ../../bin/sim-failures) & pids="$$pids $$!"; \
	done; failed=0; for p in $$pids; do wait $$p || failed=1; done; exit $$failed

soak: week ## the same for ten thousand seeds, and a week of gossip
	@$(MAKE) --no-print-directory sim SEEDS=10000

week: check-go ## a week of gossip in virtual time: MEMBERS (20)
	@echo '== a week of gossip, $(MEMBERS) members'
	@GOMAXPROCS=1 $(GO) test ./gossip -run '^TestWeek$$' -v -timeout 100h -week 168h -members $(MEMBERS)

mutants: check-go ## put known bugs in: the simulation must find each
	@$(GO) run ./test/cluster/mutants

conformance: build ## replay what Consul answers (test/conformance/done.txt)
	@echo '== conformance'
	@$(GO) run ./test/conformance -bin ./$(BIN) -j $(JOBS) -list-file test/conformance/done.txt

client: build ## the Go client's own tests (test/client/passing.txt)
	@echo '== the client'\''s own tests'
	@$(GO) run ./test/client -bin ./$(BIN) -listed

ui: check-node ui/node_modules ## build the web page (ui/dist, which is committed)
	@cd ui && npm run --silent build

# Changes nothing in ui/dist, so that a page that was not built anew is noticed.
ui-check: check-node ui/node_modules ## the web page: is ui/dist what its sources give?
	@echo '== web page: built files'
	@cd ui && npm run --silent build -- --logLevel warn --outDir ../bin/ui-dist --emptyOutDir
	@diff -r bin/ui-dist ui/dist || { echo 'ui/dist is not what its sources give: run "make ui"'; exit 1; }
	@cd ui && npm run --silent size

ui-test: ## the web page: types, units, and in Chromium against real agents
	@if ! command -v npm >/dev/null || ! [ -x '$(CHROMIUM)' ]; then \
	  echo '!! THE TESTS OF THE WEB PAGE ARE SKIPPED: they need node with npm, and $(CHROMIUM)'; \
	  if [ -n "$$CI" ]; then exit 1; fi; \
	else $(MAKE) --no-print-directory ui-all; fi

ui-all: build ui-check
	@echo '== web page: types'
	@cd ui && npm run --silent check
	@echo '== web page: units'
	@cd ui && npm run --silent unit
	@echo '== web page: in Chromium'
	@cd ui && CHROMIUM='$(CHROMIUM)' MUSTER_BIN='$(BIN)' npm run --silent e2e

ui/node_modules: ui/package-lock.json
	@cd ui && npm ci --no-audit --no-fund --loglevel error
	@touch $@

fuzz: check-go ## fuzz every decoder of outside input for FUZZTIME
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; \
	done

bench: build ## processor time per operation, against the floor (BENCH='...')
	@$(GO) run ./test/bench -bin muster=./$(BIN) -bin floor -only '$(BENCH)'

cover: check-go ## how much of each package its unit tests reach; bin/cover.html
	@mkdir -p bin
	@$(GO) test -timeout 3m -coverprofile bin/cover.out $$($(GO) list ./... | grep -v /test/)
	@$(GO) tool cover -html bin/cover.out -o bin/cover.html
	@$(GO) tool cover -func bin/cover.out | tail -n 1

packages: check-go ## the deb and the rpm of this machine's architecture, and their test
	dist/release.sh bin/packages linux/$$($(GO) env GOARCH)
	MUSTER_PACKAGES=$(CURDIR)/bin/packages $(GO) test -count=1 ./test/install

release: check-go ## archives, packages, SBOMs and SHA256SUMS of all targets; bin/release
	dist/release.sh bin/release

image: ## the container image "muster", from source
	docker build -f dist/docker/Dockerfile -t muster .

clean: ## remove what was built
	rm -rf bin

check-go:
	@command -v $(GO) >/dev/null || { echo 'Go is missing: install the version that go.mod names from https://go.dev/dl/'; exit 1; }

check-cc:
	@command -v "$$($(GO) env CC)" >/dev/null || { echo 'The race detector needs a C compiler: install gcc'; exit 1; }

check-node:
	@command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' || \
	  { echo 'Node is missing or old: install version 20.19 or newer, with npm'; exit 1; }
