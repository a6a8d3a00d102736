# neonauthd: build, check, package. `make help` lists the targets, `make test` is what the CI runs.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

GO    ?= go
TOOLS ?= $(CURDIR)/.tools

# The version is defined in one place: the newest heading of the changelog.
VERSION := $(shell sed -n 's/^\#\# \([0-9][^ ]*\).*/\1/p' CHANGELOG.md | head -n 1)
COMMIT  ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
# Everything is dated with the time of the commit, not of the build.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

# Static programs, with the same bytes wherever they are built: no C, no local paths, no build time.
export CGO_ENABLED ?= 0
LDFLAGS = -s -w -X main.release=$(VERSION) -X main.commit=$(COMMIT)
BUILD   = $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'

# Each tool is installed at a pinned version, into a folder named after the version, through the module proxy.
GOLANGCI_VERSION := v2.15.0
GOLANGCI         := $(TOOLS)/golangci-lint/$(GOLANGCI_VERSION)/golangci-lint
NFPM_VERSION     := v2.45.2
NFPM             := $(TOOLS)/nfpm/$(NFPM_VERSION)/nfpm
SBOM_VERSION     := v1.9.0
SBOM             := $(TOOLS)/cyclonedx-gomod/$(SBOM_VERSION)/cyclonedx-gomod
GOVULN_VERSION   := v1.9.0
GOVULN           := $(TOOLS)/govulncheck/$(GOVULN_VERSION)/govulncheck

# TypeScript checks the declarations of the client for Node, with the types of the oldest Node that the client supports;
# installed with npm.
TYPESCRIPT_VERSION := 5.9.3
NODE_TYPES_VERSION := 20.19.43
TYPESCRIPT         := $(TOOLS)/typescript/$(TYPESCRIPT_VERSION)-node-$(NODE_TYPES_VERSION)/node_modules
TSC                := $(TYPESCRIPT)/typescript/bin/tsc

# The frameworks for which the client for Node has guards, and what their tests use; installed with npm.
FRAMEWORKS_LIST := express@5.3.0 cors@2.8.6 fastify@5.12.8 @fastify/cors@11.4.3 @fastify/websocket@11.3.7 hono@4.13.19 \
	@hono/node-server@2.1.9 ws@8.23.0 @modelcontextprotocol/sdk@1.32.2 @types/express@5.0.6 @types/ws@8.18.2
FRAMEWORKS      := $(TOOLS)/frameworks/$(firstword $(shell echo $(FRAMEWORKS_LIST) | cksum))/node_modules

# The configuration with which TypeScript checks our guards against the types of the frameworks, which are in another folder.
FRAMEWORK_TYPES = {"extends": "$(CURDIR)/client/node/tsconfig.json", "compilerOptions": {"skipLibCheck": true, \
	"module": "esnext", "moduleResolution": "bundler", \
	"typeRoots": ["$(TYPESCRIPT)/@types"], "paths": {"neonauthd/*": ["$(CURDIR)/client/node/*.d.ts"], \
	"*": ["$(FRAMEWORKS)/@types/*", "$(FRAMEWORKS)/*"]}}, "files": ["$(CURDIR)/client/node/test/frameworks/types.mts"]}

# The message for a check whose tool is missing. In CI, where nobody would read the message, the check fails.
unchecked = echo "$(1)"; [ "$${CI:-}" != true ]

FUZZTIME  ?= 20s
SOAK      ?= 1m
FLOOD     ?= 1000000
BENCH     ?= .
BENCHTIME ?= 1s

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | awk -F'\t' '{ name[NR] = $$1; what[NR] = $$2; if (length($$1) > wide) wide = length($$1) } \
		END { for (i = 1; i <= NR; i++) printf "  %-" wide "s  %s\n", name[i], what[i] }'

.PHONY: build
build: ## build the programs into bin/
	@mkdir -p bin
	$(BUILD) -o bin/ ./cmd/...

.PHONY: test
test: vet lint types vuln test-race test-plain package ## run all checks and tests

.PHONY: vet
vet: ## go vet, and builds for the other supported systems
	$(GO) vet ./...
	GOOS=darwin GOARCH=arm64 $(GO) build ./...
	GOOS=linux GOARCH=arm64 $(GO) build ./...

.PHONY: lint
lint: $(GOLANGCI) ## run the linters, and check formatting and go.mod
	$(GOLANGCI) config verify
	$(GOLANGCI) run ./...
	$(GO) mod tidy -diff
	$(GO) mod verify
	@if command -v shellcheck >/dev/null; then \
		shellcheck .ci/run .ci/again examples/fleet/start packaging/*.sh packaging/boot/*.sh packaging/scripts/*.sh; \
	else \
		$(call unchecked,lint: shellcheck is not installed: the scripts were not checked); \
	fi

.PHONY: types types-node types-python
types: types-node types-python ## check the types of the clients for Node and Python in strict mode

types-node:
	@if command -v npm >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)'; then \
		[ -e $(TSC) ] || $(MAKE) --no-print-directory $(TSC); \
		for module in node16 nodenext; do \
			$(TSC) --project client/node --typeRoots $(TYPESCRIPT)/@types --module $$module; \
		done; \
		[ -e $(FRAMEWORKS) ] || $(MAKE) --no-print-directory $(FRAMEWORKS); \
		printf '%s' '$(FRAMEWORK_TYPES)' >$(FRAMEWORKS)/../tsconfig.$$$$.json; \
		$(TSC) --project $(FRAMEWORKS)/../tsconfig.$$$$.json || { rm $(FRAMEWORKS)/../tsconfig.$$$$.json; exit 1; }; \
		rm $(FRAMEWORKS)/../tsconfig.$$$$.json; \
		echo "types: the client for Node is as declared"; \
	else \
		$(call unchecked,types: npm or Node 20 is not installed: the client for Node was not checked); \
	fi

types-python:
	@if command -v mypy >/dev/null; then \
		cd client/python && mypy --cache-dir $(TOOLS)/mypy; \
	else \
		$(call unchecked,types: mypy is not installed: the client for Python was not checked); \
	fi

.PHONY: test-race
test-race: ## run all tests under the race detector, fuzz seeds included
	CGO_ENABLED=1 $(GO) test -race -exec "$(CURDIR)/.ci/again" -count=1 -timeout 15m ./...

# The suites of the clients in other languages. They are no Go programs: a second run without the race detector shows nothing new,
# and takes minutes.
IN_OTHER_LANGUAGES := ^Test(Languages|Frameworks|ServersWithGreenThreads|ServersThatForkInC)$$

.PHONY: test-plain
test-plain: ## run all tests without the race detector; tests that count allocations run only here
	$(GO) test -count=1 -timeout 15m -skip '$(IN_OTHER_LANGUAGES)' ./...

# By default, go minimises each new input for up to a minute, and does not fuzz meanwhile. Of 20 seconds hardly any would be
# left. The script instrument makes a run of each target two to nine times as fast.
.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (20s)
	@failed=0; for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			$(GO) test -toolexec '$(CURDIR)/.ci/instrument' -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package || failed=1; \
		done; \
	done; exit $$failed

.PHONY: outage
outage: ## kill and restart the upstream, rotate keys, delete a user, revoke: print the measured delays
	$(GO) test -count=1 -v -run '^TestScriptedOutage$$' ./internal/e2e/neonauthd

.PHONY: soak
soak: ## run with faults, rotations, revocations, kill -9 and clock steps for SOAK (1m), until the first wrong answer (SOAK_PROGRAM=another neonauthd, with the build tag steppedclock)
	NEONAUTHD_SOAK=$(SOAK) NEONAUTHD_SOAK_PROGRAM=$(SOAK_PROGRAM) $(GO) test -count=1 -timeout 0 -v -run '^TestSoak$$' ./internal/e2e/soak

.PHONY: flood
flood: ## send FLOOD (1000000) invalid tokens, as many unknown key ids, a tenth as many connections; print the daemon's resources before and after
	NEONAUTHD_FLOOD=$(FLOOD) $(GO) test -count=1 -timeout 0 -v -run '^TestFloods$$' ./internal/e2e/soak

.PHONY: fleet-faults
fleet-faults: ## test that six hosts of a fleet agree after 100 000 changes and 100 faults (minutes)
	FLEET_LONG=1 $(GO) test -count=1 -v -timeout 60m -run '^TestHostsAgreeAfterManyFaults$$' ./daemon/fleet
	FLEET_LONG=1 $(GO) test -count=1 -v -timeout 60m ./internal/e2e/fleet

.PHONY: lease-faults
lease-faults: ## test ten million answers of clients that keep answers, under faults: no token may be accepted after REVOKE (minutes)
	LEASE_LONG=1 $(GO) test -count=1 -v -timeout 60m -run '^TestNobodyIsAcceptedAfterRevoke$$' ./internal/e2e/leases

.PHONY: fairness
fairness: ## print how much greedy callers slow down a quiet one (root; FAIRNESS_PROGRAM=another neonauthd)
	NEONAUTHD_FAIRNESS=1 NEONAUTHD_FAIRNESS_PROGRAM=$(FAIRNESS_PROGRAM) $(GO) test -count=1 -timeout 15m -v -run '^TestFairness$$' ./internal/e2e/neonauthd

.PHONY: bench
bench: ## run the benchmarks of docs/benchmarks.md (BENCH=regexp, BENCHTIME=1s)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -benchtime $(BENCHTIME) ./...

# They start a demo, so nothing has to be installed.
.PHONY: bench-clients
bench-clients: build ## run the benchmarks of the clients for Node and Python, against a demo
	@dir=$$(mktemp -d); bin/neonauthd demo --dir $$dir >$$dir/said 2>&1 & demo=$$!; \
	trap 'kill $$demo; wait $$demo || true; rm -r $$dir' EXIT; \
	for try in $$(seq 100); do bin/neonauthd demo token --dir $$dir >$$dir/token 2>/dev/null && break; sleep 0.1; done; \
	export NEONAUTHD_SOCKET=$$dir/neonauthd.sock; \
	(cd client/node && for bench in bench/*.mjs; do echo "# node $$bench"; node $$bench $$([ $$bench = bench/kept.mjs ] || echo $$dir/token); done); \
	(cd client/python && for bench in bench/*.py; do echo "# python3 $$bench"; PYTHONPATH=src python3 $$bench $$dir/token; done)

.PHONY: vuln
vuln: $(GOVULN) ## look for known vulnerabilities in code that we call, if the database can be reached
	@if $(GOVULN) -mode=query -json golang.org/x/sys@v0.1.0 >/dev/null 2>&1; then \
		$(GOVULN) ./...; \
	else \
		echo "vuln: skipped, the vulnerability database cannot be reached from here"; \
	fi

# The release: static programs for Linux, as packages and as archives.
ARCHES ?= $(shell $(GO) env GOARCH)
DIST   := dist
NAME    = neonauthd_$(VERSION)_linux_$*

.PHONY: package
package: $(ARCHES:%=package-%) ## make the deb and the rpm for this machine's architecture in dist/ (ARCHES="amd64 arm64")

.PHONY: clients
clients: ## make the packages of the clients for npm and pip in dist/clients/
	rm -rf $(DIST)/clients
	packaging/clients.sh $(DIST)/clients

package-%: build clients $(NFPM)
	rm -rf $(DIST)/build/$* && mkdir -p $(DIST)/build/$*
	GOOS=linux GOARCH=$* $(BUILD) -o $(DIST)/build/$*/ ./cmd/...
	packaging/stage.sh $(DIST)/build/$* bin $(DIST)/clients $(DIST)/stage/$*
	sed -e 's|$${ARCH}|$*|; s|$${VERSION}|$(VERSION)|; s|$${STAGE}|$(DIST)/stage/$*|' \
		-e "s|\$${MTIME}|$$(date -u -d @$(SOURCE_DATE_EPOCH) +%Y-%m-%dT%H:%M:%SZ)|" packaging/nfpm.yaml >$(DIST)/stage/$*.yaml
	$(NFPM) package --config $(DIST)/stage/$*.yaml --packager deb --target $(DIST)/$(NAME).deb
	$(NFPM) package --config $(DIST)/stage/$*.yaml --packager rpm --target $(DIST)/$(NAME).rpm

# An image for containers: only the programs, as an OCI archive for all architectures, made without a registry.
IMAGE := $(DIST)/neonauthd_$(VERSION)_oci.tar

.PHONY: image
image: $(ARCHES:%=image-%) ## make the container image as an OCI archive in dist/ (ARCHES="amd64 arm64")
	$(GO) run ./packaging/image -out $(IMAGE) -version $(VERSION) -revision $(COMMIT) -created $(SOURCE_DATE_EPOCH) \
		$(foreach arch,$(ARCHES),$(arch)=$(DIST)/image/$(arch))

image-%:
	rm -rf $(DIST)/image/$* && mkdir -p $(DIST)/image/$*
	GOOS=linux GOARCH=$* $(BUILD) -tags image -o $(DIST)/image/$*/ ./cmd/...

archive-%: package-%
	tar --create --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --numeric-owner \
		--transform 's|^\.|neonauthd-$(VERSION)|' -C $(DIST)/stage/$* . | gzip -9n >$(DIST)/$(NAME).tar.gz

bom-%: package-% $(SBOM)
	for program in $(DIST)/build/$*/*; do \
		$(SBOM) bin -json -noserial -std -version v$(VERSION) $$program | \
			sed 's|"timestamp": "[^"]*"|"timestamp": "'$$(date -u -d @$(SOURCE_DATE_EPOCH) +%Y-%m-%dT%H:%M:%SZ)'"|' \
			>$(DIST)/$$(basename $$program)_$(VERSION)_linux_$*.cdx.json; \
	done

.PHONY: release
release: ## make all files of a release: packages, archives, bills of materials, checksums
	rm -rf $(DIST)
	$(MAKE) release-files ARCHES="amd64 arm64"

.PHONY: release-files
release-files: $(ARCHES:%=archive-%) $(ARCHES:%=bom-%) image
	cp $(DIST)/clients/* $(DIST)/
	cd $(DIST) && sha256sum *.deb *.rpm *.tar *.tar.gz *.tgz *.whl *.cdx.json >SHA256SUMS && cat SHA256SUMS

.PHONY: boot-test
boot-test: package ## install and use the package in a booted Debian 12 with systemd and nginx (root, systemd-nspawn)
	packaging/boot/run.sh $(DIST)/neonauthd_$(VERSION)_linux_$(shell $(GO) env GOARCH).deb

.PHONY: reproducible
reproducible: $(NFPM) $(SBOM) ## release the last commit twice from nothing, in two folders, and compare every byte
	packaging/reproducible.sh

.PHONY: fmt
fmt: ## format the Go files
	gofmt -w $$(git ls-files '*.go')

.PHONY: clean
clean: ## remove what was built; the tools stay
	rm -rf bin dist coverage.out

$(TSC):
	npm install --prefix $(TYPESCRIPT)/.. --no-save --no-audit --no-fund --ignore-scripts --loglevel=error \
		typescript@$(TYPESCRIPT_VERSION) @types/node@$(NODE_TYPES_VERSION)

# The folder is moved into place when it is complete, because tests may look at it meanwhile.
$(FRAMEWORKS):
	mkdir -p $(TOOLS)/frameworks
	place=$$(mktemp -d $(TOOLS)/frameworks/XXXXXX) && \
	npm install --prefix $$place --no-save --no-audit --no-fund --ignore-scripts --loglevel=error $(FRAMEWORKS_LIST) >&2 && \
	{ mv -T $$place $(@D) 2>/dev/null || { rm -r $$place; [ -e $@ ]; }; }

.PHONY: frameworks
frameworks: $(FRAMEWORKS) ## install the Node frameworks of our guards' tests, and print their folder
	@echo $(FRAMEWORKS)

$(GOLANGCI):
	GOFLAGS= GOBIN=$(@D) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

$(NFPM):
	GOFLAGS= GOBIN=$(@D) $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)

$(SBOM):
	GOFLAGS= GOBIN=$(@D) $(GO) install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(SBOM_VERSION)

$(GOVULN):
	GOFLAGS= GOBIN=$(@D) $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULN_VERSION)
