# Everything a contributor does, over every module of the repository.
# `make help` lists the targets; CONTRIBUTING.md says when to use which.

# The modules of the workspace, in the order of their arrows; bench and tools
# stand outside of it (GOWORK=off) and require the published world.
MODULES  := . adapters cmd
OUTSIDE  := bench tools
BIN      := $(CURDIR)/bin
FUZZTIME ?= 10s
BENCH    ?= .
WORKERS  ?= 2

# A module that has nothing yet is left out instead of failing the target.
present = $(wildcard $(addsuffix /go.mod,$(1)))
each    = $(patsubst %/go.mod,%,$(call present,$(1)))

.DEFAULT_GOAL := help
.PHONY: help run build test test-system race lint fmt fuzz mutants bench bench-quick bench-events bench-shared bench-gateway experiments drill docs prove tidy ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## start the quickstart: a gateway, its admin API and a sample upstream
	go run ./cmd/foundation quickstart

build: ## compile every package and the binary bin/foundation
	@for m in $(call each,$(MODULES)); do (cd $$m && go build ./...) || exit 1; done
	go build -o $(BIN)/foundation ./cmd/foundation

test: ## run every test of every module, with the race detector, in random order
	@.ci/test $(call each,$(MODULES))

test-system: ## run the tests that take a browser or a fleet of daemons; each suite starts what it needs
	@FOUNDATION_SYSTEM=1 PACKAGES="./internal/pagetest ./foundation" .ci/test cmd

race: ## run the tests ten times over, to find what happens rarely
	@COUNT=10 .ci/test $(call each,$(MODULES))

lint: $(BIN)/golangci-lint ## vet, lint and check the format of every module
	@for m in $(call each,$(MODULES)); do echo "lint $$m"; (cd $$m && $(BIN)/golangci-lint run ./...) || bad=1; done; \
	for m in $(call each,bench); do echo "lint $$m"; (cd $$m && GOWORK=off $(BIN)/golangci-lint run ./...) || bad=1; done; \
	test -z "$$bad"

fmt: $(BIN)/golangci-lint ## format every module
	@for m in $(call each,$(MODULES)); do (cd $$m && $(BIN)/golangci-lint fmt ./...) || exit 1; done
	@for m in $(call each,bench); do (cd $$m && GOWORK=off $(BIN)/golangci-lint fmt ./...) || exit 1; done

fuzz: ## fuzz every target for FUZZTIME (default 10s)
	@.ci/fuzz $(FUZZTIME) $(call each,$(MODULES))

# Without -count=1 the first run may come out of the cache, and its time is what the
# patience with each mutant is derived from.
mutants: $(BIN)/gremlins ## change PKG (./breaker) in small ways and list the changes that no test notices
	@test -n "$(PKG)" || { echo "which package? For example: make mutants PKG=./breaker"; exit 2; }
	@GOWORK=off GOFLAGS=-count=1 $(BIN)/gremlins unleash --workers $(WORKERS) --timeout-coefficient 5 --output-statuses lct $(PKG)

bench: ## measure ours beside the peers, slowly, into bench/results
	@cd bench && GOWORK=off go run . -results results -bench '$(BENCH)'

bench-quick: ## the same in 50 seconds, one line a scenario on standard output
	@cd bench && GOWORK=off go run . -quick

bench-events: ## measure durable events in SQLite beside other ways to commit them, their size, and queries among 5 million
	@cd bench && GOWORK=off go run ./events

bench-shared: ## measure limits that processes share on Redis beside redis_rate and throttled
	@cd bench && GOWORK=off go run ./shared -results results

bench-gateway: ## measure the binary beside a bare ReverseProxy and Caddy, under the load of wrk
	go build -o $(BIN)/foundation ./cmd/foundation
	@cd bench && GOWORK=off go run ./gateway -foundation $(BIN)/foundation -results results

experiments: ## run the experiments of docs/experiments.md again and rewrite its tables and figures
	go run ./perf/internal/cmd/detection
	@cd bench && GOWORK=off go test -count=1 -timeout 30m ./experiments -write
	cd bench && GOWORK=off go run ./memory -figure ../docs/experiments/memory-storm.svg # prints its table

drill: ## let an upstream stand still for 10 s, with and without a guard
	@cd cmd && go test -count=1 -v -run OutageDrill ./foundation -outage 10s | grep -E 'drill_test|ok|FAIL'

docs: ## write docs/cli.md, docs/events.md, docs/metrics.md and the manual pages (man/) from the commands and the code
	@cd cmd && go run ./foundation docs markdown > ../docs/cli.md
	@go test -count=1 -run TheCatalogueIsCurrent ./internal/repotest -update
	@cd cmd && go test -count=1 -run TheListOfMetricsIsCurrent ./foundation -update
	@mkdir -p man && cd cmd && go run ./foundation docs man ../man

prove: ## the long runs: twenty times the search, fuzzing, and the oracles of bench
	@FOUNDATION_PROVE=1 TIMEOUT=120m .ci/test $(call each,$(MODULES))
	@cd bench && GOWORK=off FOUNDATION_PROVE=1 go test -count=1 ./...
	@.ci/fuzz 5m $(call each,$(MODULES))

tidy: ## tidy every module, whose own versions are not published yet
	@.ci/tidy $(call each,$(MODULES) $(OUTSIDE))

ci: ## what a change must pass: build, test, lint, tidy, and the peers' oracles
	@.ci/run

clean: ## remove what was built
	rm -rf $(BIN)

# The tools come from the pinned versions of tools/go.mod, built once.
$(BIN)/golangci-lint: tools/go.mod tools/go.sum
	@echo "building the linters of tools/go.mod (some minutes, once)"
	@cd tools && GOWORK=off GOBIN=$(BIN) go install tool
	@touch $@

$(BIN)/gremlins: tools/go.mod tools/go.sum
	@cd tools && GOWORK=off GOBIN=$(BIN) go install github.com/go-gremlins/gremlins/cmd/gremlins
	@touch $@
