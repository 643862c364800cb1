# SPDX-License-Identifier: GPL-2.0-or-later
# Short names for what Meson and tools/ do. `make demo` and `make check` install what they need.

BUILD = build
FUZZ_SECONDS = 60
N = 2400
MINUTES = 30

build: $(BUILD)/build.ninja
	$(if $(PREFIX),@meson configure $(BUILD) --prefix $(PREFIX))
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@meson setup $(BUILD) || { echo "Is a package missing? 'tools/setup build' installs them."; exit 1; }

setup-%:
	@tools/setup $*

# The article's network and its pitfalls, and portreeve in it: real traffic in namespaces.
demo: setup-demo
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	@ninja -C $(BUILD) portreeve
	@$(BUILD)/portreeve rehearse examples/two-uplinks.yaml --naive

# Everything: unit, command line and lab tests, static checks, sanitizers, fuzzing.
check: setup-check
	@tools/check

# Into PREFIX, else as $(BUILD) was set up (/usr/local), below DESTDIR.
install: build
	meson install -C $(BUILD) --no-rebuild $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))

# The release tarball of what is committed: build/dist/portreeve-VERSION.tar.gz.
dist:
	@tools/dist

# Debian packages from that tarball, in build/deb; deb-check installs, upgrades, removes and purges them.
deb: setup-deb
	@tools/deb

deb-check: setup-deb
	@/usr/bin/python3 -m pytest -q -p no:cacheprovider tests/package/deb

format:
	@tools/format --fix

lint: setup-check
	@tools/check build static

asan: setup-check
	@tools/check asan

fuzz: setup-check
	@tools/check fuzz --fuzz-seconds $(FUZZ_SECONDS)

# Walk and kernel compared on N random connections, with SEED or a fresh one that is printed.
differential: setup-check build
	@/usr/bin/python3 tests/differential/run.py --packets $(N) $(if $(SEED),--seed $(SEED))

# The daemon under everything at once for MINUTES, with SEED or a fresh one that is printed.
chaos: setup-check build
	@/usr/bin/python3 tests/lab/chaos.py --seconds $$(($(MINUTES) * 60)) $(if $(SEED),--seed $(SEED))

# portreeve beside what one would use instead; BENCH="--quick", BENCH="--doc docs/bench.md" and so on.
bench: setup-bench build
	@bench/run $(BUILD)/portreeve $(BENCH)

clean:
	rm -rf build build-asan build-fuzz

.PHONY: build demo check install dist deb deb-check format lint asan fuzz differential chaos bench clean
