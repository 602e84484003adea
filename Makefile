# The front door. Everything is built under build/<flavor>; CMakeLists.txt tells what a flavor is.
#
#   make            build/release/runnel-server and the tools
#   make run        the same, then start the server on 127.0.0.1:6379   (ARGS="--port 7000" ...)
#   make test       all tests that gate a change, built with assertions
#   make sanitize   the unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   make sim        the crash simulations with SEEDS seeds (100000); a failing seed tells how to run it again
#   make bench      side by side with redis-server: requests/s, latency, CPU per request, memory;
#                   then durability, which make bench-durability measures alone
#   make fuzz       each fuzz target for FUZZ_SECONDS (60)
#   make format     clang-format over the tree;  make tidy: clang-tidy
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
SEEDS ?= 100000
SOURCES = $(shell git ls-files '*.cc' '*.h')

.PHONY: all build run test sanitize sim bench bench-durability fuzz format tidy clean deps deps-test
.DEFAULT_GOAL := all

deps:
	@deps/install build
deps-test:
	@deps/install build test

# $(call configure,flavor[,more cmake arguments])
define configure
	@test -f build/$(1)/build.ninja || cmake -S . -B build/$(1) -G Ninja -DRUNNEL_FLAVOR=$(1) $(2) >/dev/null
endef

all: deps
	$(call configure,release)
	@cmake --build build/release -j $(JOBS)

run: all
	build/release/runnel-server conf/runnel.conf $(ARGS)

test: deps-test
	$(call configure,test)
	@cmake --build build/test -j $(JOBS)
	@cd build/test && ctest --output-on-failure -j $(JOBS)

sanitize: deps-test
	$(call configure,sanitize)
	@cmake --build build/sanitize -j $(JOBS) --target unit
	@cd build/sanitize && RUNNEL_SIM_MOST_SEEDS=2000 ctest --output-on-failure -j $(JOBS) -L unit

sim: deps-test
	$(call configure,test)
	@cmake --build build/test -j $(JOBS) --target sim_test
	@RUNNEL_SIM_SEEDS=$(SEEDS) build/test/tests/sim/sim_test --gtest_brief=1 --gtest_filter='*CrashTest.*'

bench: all deps-test
	@utils/bench $(ARGS); first=$$?; utils/bench-durability $(ARGS) && exit $$first
bench-durability: all deps-test
	@utils/bench-durability $(ARGS)

fuzz: deps-test
	$(call configure,fuzz,-DCMAKE_C_COMPILER=clang-14 -DCMAKE_CXX_COMPILER=clang++-14)
	@cmake --build build/fuzz -j $(JOBS) --target fuzzers
	@tests/fuzz/run build/fuzz $(FUZZ_SECONDS)

format:
	@clang-format -i $(SOURCES)

tidy: deps-test
	$(call configure,test)
	@clang-tidy -p build/test --quiet $(filter src/%.cc,$(SOURCES))

clean:
	rm -rf build
