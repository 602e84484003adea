# The front door. Everything is built under build/<flavor>; CMakeLists.txt says what a flavor is.
#
#   make              build/release/runnel-server and the tools
#   make run          the same, then start the server on 127.0.0.1:6379 with its data in build/data
#                     (ARGS="--port 7000" ...)
#   make install      install the release build (PREFIX=/usr/local DESTDIR=...), see utils/packaging/install
#   make dev          build/dev: the server and the tools for working on them, built fast
#   make test         all tests that gate a change, with assertions
#   make test-shipped the process and frameworks tests with the release build of the server
#   make sanitize     the unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   make steps        how long single commands hold the loop, counted in steps of the code
#   make tsan         the server under ThreadSanitizer, driven by process tests
#   make sim          the crash simulations, and that of servers that follow each other, with SEEDS
#                     seeds (100000); a failing seed says how to run
#                     it again
#   make bench        side by side with redis-server: requests/s, latency, CPU per request, memory;
#                     then values, durability, topics, replication and job frameworks, which make
#                     bench-values, make bench-durability, make bench-topics, make
#                     bench-replication and make bench-frameworks measure alone
#   make fuzz         each fuzz target for FUZZ_SECONDS (60)
#   make headers      each header compiled alone that no source file of its own includes first
#   make format       clang-format over the tree
#   make tidy         clang-tidy over the files that differ from BASE (all: BASE=)
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
SEEDS ?= 100000
# ON: build/test is built as a whole, which takes less time than file by file, but for each change.
UNITY ?= OFF
SOURCES = $(shell git ls-files '*.cc' '*.h')

BASE ?= HEAD
PREFIX ?= /usr/local
DESTDIR ?=
export PREFIX DESTDIR

.PHONY: all run install dev test test-shipped steps sanitize tsan sim bench bench-values \
  bench-durability \
  bench-topics bench-replication bench-frameworks fuzz headers \
  format format-check tidy clean deps deps-test deps-dev
.DEFAULT_GOAL := all

deps:
	@deps/install build
deps-test:
	@deps/install build test
	@deps/node build/node
deps-dev:
	@deps/install build test dev
	@deps/node build/node

# $(call configure,flavor[,more cmake arguments])
define configure
	@test -f build/$(1)/build.ninja || cmake -S . -B build/$(1) -G Ninja -DRUNNEL_FLAVOR=$(1) \
	  -DRUNNEL_UNITY=$(UNITY) $(2) >/dev/null
endef

all: deps
	$(call configure,release)
	@cmake --build build/release -j $(JOBS)

run: all
	@mkdir -p build/data
	build/release/runnel-server conf/runnel.conf --dir build/data $(ARGS)

install: all
	@utils/packaging/install build/release

dev: deps-test
	$(call configure,dev)
	@cmake --build build/dev -j $(JOBS) --target runnel-server runnel-check runnel-bench

test: deps-test
	$(call configure,test)
	@cmake --build build/test -j $(JOBS)
	@cd build/test && ctest --output-on-failure -j $(JOBS)

# The tests are those of build/test; only the programs that they start are the shipped ones.
test-shipped: all deps-test
	$(call configure,test)
	@cmake --build build/test -j $(JOBS)
	@cd build/test && RUNNEL_SERVER=$(CURDIR)/build/release/runnel-server \
	  RUNNEL_CHECK=$(CURDIR)/build/release/runnel-check \
	  ctest --output-on-failure -j $(JOBS) -L 'process|frameworks'

# $(call drive,flavor,environment,targets,tests): process tests of build/test with the server of
# another flavor.
define drive
	$(call configure,test)
	$(call configure,$(1))
	@cmake --build build/$(1) -j $(JOBS) --target runnel-server
	@cmake --build build/test -j $(JOBS) --target $(3)
	@cd build/test && RUNNEL_SERVER=$(CURDIR)/build/$(1)/runnel-server $(2) \
	  ctest --output-on-failure -R '^process\.($(4))$$'
endef

# The process tests that make all threads work; a report of ThreadSanitizer ends the server. It makes
# the threads that write files so slow that the usual patience of the tests may end first.
TSAN_TESTS = mixed|snapshot|cold|lifetime
tsan: deps-test
	$(call drive,tsan,TSAN_OPTIONS="halt_on_error=1 exitcode=66" RUNNEL_TEST_PATIENCE=120,\
	  process_tests,$(TSAN_TESTS))

# The server counts the basic blocks that it enters, which makes it slower by half.
steps: deps-test
	$(call drive,steps,,process_turns_test,turns)

sanitize: deps-test
	$(call configure,sanitize)
	@cmake --build build/sanitize -j $(JOBS) --target unit
	@cd build/sanitize && RUNNEL_SIM_MOST_SEEDS=2000 ctest --output-on-failure -j $(JOBS) -L unit

sim: deps-test
	$(call configure,test)
	@cmake --build build/test -j $(JOBS) --target sim_test
	@RUNNEL_SIM_SEEDS=$(SEEDS) build/test/tests/sim/sim_test --gtest_brief=1 \
	  --gtest_filter='*CrashTest.*:ClusterTest.*'

bench: all deps-test
	@failed=0; for part in bench bench-values bench-durability bench-topics bench-replication \
	  bench-frameworks; do \
	  utils/$$part $(ARGS) || failed=1; done; exit $$failed
bench-values: all deps-test
	@utils/bench-values $(ARGS)
bench-durability: all deps-test
	@utils/bench-durability $(ARGS)
bench-topics: all deps-test
	@utils/bench-topics $(ARGS)
bench-replication: all deps-test
	@utils/bench-replication $(ARGS)
bench-frameworks: all deps-test
	@utils/bench-frameworks $(ARGS)

fuzz: deps-test
	$(call configure,fuzz,-DCMAKE_C_COMPILER=clang-14 -DCMAKE_CXX_COMPILER=clang++-14)
	@cmake --build build/fuzz -j $(JOBS) --target fuzzers
	@tests/fuzz/run build/fuzz $(FUZZ_SECONDS)

headers: deps-test
	$(call configure,test)
	@cmake --build build/test -j $(JOBS) --target headers_alone

format: deps-dev
	@clang-format -i $(SOURCES)
format-check: deps-dev
	@clang-format --dry-run --Werror $(SOURCES)

TIDIED = $(filter src/%.cc utils/%.cc,\
  $(if $(BASE),$(shell git diff --name-only --diff-filter=d $(BASE) -- '*.cc'),$(SOURCES)))
tidy: deps-dev
	$(call configure,dev)
	@[ -z "$(TIDIED)" ] || printf '%s\n' $(TIDIED) | \
	  xargs -P $(JOBS) -n 4 clang-tidy -p build/dev --quiet --warnings-as-errors='*'

clean:
	rm -rf build
