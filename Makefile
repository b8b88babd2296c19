# SPDX-License-Identifier: Apache-2.0
# lspp: everything made goes to $B.  Knobs: CC CFLAGS CPPFLAGS LDFLAGS PREFIX
# DESTDIR, SANITIZE=address,undefined (its own build folder), V=1.

VERSION = 0.1.0
B ?= build$(if $(SANITIZE),-$(firstword $(subst $(comma), ,$(SANITIZE))))
comma = ,

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
EXAMPLESDIR ?= $(PREFIX)/share/doc/lspp/examples
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d

PKG_CONFIG ?= pkg-config
LIBS = sqlite3 liblz4 libxxhash zlib libcrypto expat yaml-0.1
LATE_LIBS = libcurl# loaded when it is needed: lib/store/aws/late_curl.h
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIBS) $(LATE_LIBS) 2>/dev/null)
PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(LIBS) 2>/dev/null || \
	echo -lsqlite3 -llz4 -lxxhash -lz -lcrypto -lexpat -lyaml) -ldl

CFLAGS ?= $(if $(SANITIZE),-O1,-O2) -g
WARN = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla -Wundef \
	-Werror
ALL_CPPFLAGS = -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 \
	-DLSPP_VERSION='"$(VERSION)"' $(PKG_CFLAGS) $(CPPFLAGS)
ALL_CFLAGS = -std=c11 -pthread $(WARN) $(CFLAGS) \
	$(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer \
	-fno-sanitize-recover=all)
# A program loads only the libraries that it calls.
ALL_LDFLAGS = -pthread -Wl,--as-needed $(LDFLAGS) $(if $(SANITIZE),-fsanitize=$(SANITIZE))

# The rooms, lowest first: a file includes only from its own room or an earlier
# one (tests/layers.sh).  ARCHITECTURE.md has the plan.
LAYERS = base sys text sqlite store store/dir store/aws store/s3 \
	store/open source config replica/codec replica/wal replica/ltx \
	replica pass state state/fleet scan choose restore live mirror prune hot ship verify \
	stat cli
LIB_SRC = $(foreach l,$(LAYERS),$(sort $(wildcard lib/$l/*.c)))
LIB_OBJ = $(LIB_SRC:%.c=$B/%.o)
PROGRAMS = $(patsubst bin/%.c,%,$(sort $(wildcard bin/lspp-*.c)))
UNIT = $(patsubst tests/unit/%.c,$B/unit/%,$(sort $(wildcard tests/unit/*_test.c)))
TOOLS = $(patsubst tests/tools/%.c,$B/tools/%,$(sort $(wildcard tests/tools/*.c))) \
	$B/tools/leap.so $B/tools/differ \
	$(patsubst .tools/sqlite/%/sqlite3.o,$B/tools/scribe-%,$(wildcard .tools/sqlite/*/sqlite3.o))
DIFFER_SRC = $(sort $(wildcard tests/differ/*.c))
SRC = $(LIB_SRC) $(wildcard bin/*.c bin/*/*.c tests/unit/*.c tests/tools/*.c tests/leap/*.c) $(DIFFER_SRC)
HDR = $(foreach l,$(LAYERS),$(wildcard lib/$l/*.h)) $(wildcard bin/*/*.h tests/*/*.h)

Q = $(if $V,,@)

all: $(PROGRAMS:%=$B/bin/%) $B/liblspp.a
.PHONY: all

$B/liblspp.a: $(LIB_OBJ)
	@rm -f $@
	$Q$(AR) rcs $@ $^

# Of a large program there is more in bin/NAME/.
parts = $(patsubst %.c,$B/%.o,$(sort $(wildcard bin/$1/*.c)))
$(foreach p,$(PROGRAMS),$(eval $B/bin/$p: $(call parts,$(p:lspp-%=%))))

$B/bin/%: $B/bin/%.o $B/liblspp.a
	$Q$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $B/liblspp.a $(PKG_LIBS)

$B/unit/%: $B/tests/unit/%.o $B/liblspp.a
	@mkdir -p $(@D)
	$Q$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$B/tools/%: $B/tests/tools/%.o $B/liblspp.a
	@mkdir -p $(@D)
	$Q$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

# The scribe of differ with another SQLite, which ./bootstrap --test brought.
$B/tools/scribe-%: .tools/sqlite/%/sqlite3.o tests/differ/scribe.c tests/differ/sum.c tests/differ/differ.h
	@mkdir -p $(@D)
	$Q$(CC) -I$(<D) -I. -D_GNU_SOURCE -std=c11 $(CFLAGS) -Dscribe_main=main \
		-o $@ $(filter %.c,$^) $< -lz -lm

# It knows SQLite, and nothing of ours.
$B/tools/differ: $(DIFFER_SRC:%.c=$B/%.o)
	@mkdir -p $(@D)
	$Q$(CC) $(ALL_LDFLAGS) -o $@ $^ -lsqlite3 -lz

# To be loaded before a program's own libraries, and a sanitizer's.
$B/tools/leap.so: tests/leap/leap.c
	@mkdir -p $(@D)
	$Q$(CC) -D_GNU_SOURCE -std=c11 $(WARN) $(CFLAGS) -shared -fPIC -o $@ $< -ldl

$B/%.o: %.c
	@mkdir -p $(@D)
	$Q$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Two checksums that see every byte.  gcc's vectors halve the speed of XXH32,
# whose four lanes want none, and -O3 doubles that of XXH3.
$B/lib/replica/wal/object.o: CFLAGS := $(CFLAGS) -fno-tree-vectorize \
	-fno-tree-slp-vectorize
$B/lib/sqlite/pagesum.o: CFLAGS := $(CFLAGS:-O2=-O3)

.SECONDARY:
-include $(SRC:%.c=$B/%.d)

clean:
	rm -rf build build-* compile_commands.json lspp-*.tar.gz lspp-*.spdx.json
.PHONY: clean

# Everything below is for people who work on lspp.

T ?=
SECONDS ?= 60
# Twice as many suites as processors at once: they wait more than they compute.
JOBS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((2 * n)))
export B JOBS

# Sanitizers: a finding ends the program, so that a test cannot pass over it.
ASAN_OPTIONS ?= detect_leaks=1:abort_on_error=0
UBSAN_OPTIONS ?= print_stacktrace=1
export ASAN_OPTIONS UBSAN_OPTIONS

tools: $(TOOLS)
unit: $(UNIT)

# T=tests/crash.bats or T=wal_test runs that alone; several in quotes.
check: all tools unit
	$Qtests/run $T

# The tests of S3 against each server that ./bootstrap --test-s3 brings, or
# S3_KINDS="ceph minio"; T as above.
check-s3: all tools
	$Qtests/matrix $T

# The page of lspp-stat in a browser, which ./bootstrap --test-page brings.
check-page: all tools
	$Qtests/run tests/browser/page.bats

# The programs and the unit tests for MACHINES, by cross compilers and qemu; and
# states and replicas that go from one to another.
MACHINES ?= arm64 armhf s390x
cross: all tools
	$QT='$T' tests/cross/run $(MACHINES)

# The full counts: hours, not minutes.
soak: all tools unit
	$QLSPP_SOAK=1 tests/run $T

lint: export LINT_CFLAGS = $(ALL_CPPFLAGS) -std=c11 -pthread $(WARN)
lint: export CC := $(CC)
lint: compile_commands.json
	$Qtests/lint

# One entry a source, with the flags that the build uses.
compile_commands.json: export COMPILE = $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS)
compile_commands.json: Makefile $(SRC)
	$Qcommand=$$(printf '%s' "$$COMPILE" | sed 's/[\\"]/\\&/g'); \
	for f in $(SRC); do \
		printf '%s {"directory": "%s", "file": "%s",\n' \
			"$${sep-[}" "$$PWD" "$$f"; \
		printf '  "command": "%s -c %s"}\n' "$$command" "$$f"; \
		sep=,; \
	done >$@.new; echo ']' >>$@.new
	$Qmv $@.new $@

demo: all tools
	$Qtests/demo

bench: all tools
	$Qbench/run

# The whole pipeline on many databases: is it right?  And at a hundred
# thousand, beside litestream at what it bears: what does it take?  A quarter of
# an hour; figures and the plot of the README go to $B/.
check-large: all tools
	$QSIZES='100 10000' RUNS=1 WATCH=5 bench/run large
bench-large: all tools
	$QPEERS='100 1000' BENCH_DATA=$B/large.dat bench/run large
	$Qgnuplot -e "data='$B/large.dat'" bench/memory.gp | \
		sed 's/ *$$//' >$B/memory.svg

# Time and memory of each program at 1,000, 10,000 and 100,000 databases, with a
# plot; and at a million, which wants 30 GB and some ten minutes.
bench-growth: all tools
	$QGROWTH_DATA=$B/growth.dat bench/run growth
	$Qgnuplot -e "data='$B/growth.dat'" bench/growth.gp | \
		sed 's/ *$$//' >$B/growth.svg
bench-million: all tools
	$QGROWTH=1000000 RUNS=1 bench/run growth

# One parser of foreign bytes for SECONDS with libFuzzer: make fuzz T=wal.
# What it learns stays in build-fuzz/corpus, what breaks in build-fuzz/crash.
CLANG ?= clang
FUZZERS = $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_LIB = build-fuzz/liblspp.a
FUZZ_SANITIZE = -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined

fuzz: $(or $(T:%=fuzz-%),$(FUZZERS:%=fuzz-%))
fuzz-%: build-fuzz/%
	@mkdir -p build-fuzz/corpus/$* build-fuzz/crash tests/data/fuzz/$*
	$Q$< -max_total_time=$(SECONDS) -print_final_stats=1 -verbosity=0 \
		-artifact_prefix=build-fuzz/crash/$*- \
		build-fuzz/corpus/$* tests/data/fuzz/$*
build-fuzz/%: tests/fuzz/%_fuzz.c tests/fuzz/fuzz.h $(FUZZ_LIB)
	$Q$(CLANG) $(ALL_CPPFLAGS) -std=c11 -pthread $(FUZZ_SANITIZE) \
		-fsanitize=fuzzer -o $@ $< $(FUZZ_LIB) $(PKG_LIBS)
ifneq ($B,build-fuzz)
$(FUZZ_LIB): $(LIB_SRC) $(HDR)
	$Q$(MAKE) B=build-fuzz CC='$(CLANG)' SANITIZE= \
		CFLAGS='$(FUZZ_SANITIZE) -fsanitize=fuzzer-no-link' $@
endif
.PRECIOUS: build-fuzz/%

# Each of them for a while, as a test: what breaks one is told, with its name.
fuzzers: $(FUZZERS:%=build-fuzz/%)
fuzz-check: SECONDS = 30
fuzz-check: fuzzers
	$Qtests/fuzz/check $(SECONDS) $(FUZZERS)

# Which lines of lib/ no test runs, and why; half an hour.  T=... runs that on top
# of what was counted before.
cover:
	$Q$(MAKE) B=build-cover CFLAGS='-O0 -g --coverage -fprofile-update=atomic' \
		LDFLAGS=--coverage all tools unit
	$Qtests/cover build-cover run $T

# A release: the same bytes wherever and whenever it is made of one commit.
DIST = lspp-$(VERSION)
EPOCH = $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null || echo 0))
dist:
	$Qgit -c tar.umask=0022 -c core.autocrlf=false archive --format=tar \
		--prefix=$(DIST)/ HEAD | gzip -9n >$(DIST).tar.gz.new
	$Qmv $(DIST).tar.gz.new $(DIST).tar.gz

musl:
	$Qpackaging/musl

# The programs as a file that needs no library: minutes, the first time.
static:
	$Qpackaging/static $(VERSION) $(EPOCH) $B/static $(PROGRAMS)

deb: dist
	$Qpackaging/deb $(VERSION) $(EPOCH) $B/deb

sbom: all
	$Qpackaging/sbom $(VERSION) $(EPOCH) $(PROGRAMS:%=$B/bin/%) >$(DIST).spdx.json.new
	$Qmv $(DIST).spdx.json.new $(DIST).spdx.json

# Each program is asked for its options, so it has to run here.
COMPLETION = $(PROGRAMS:%=$B/completion/%) $(PROGRAMS:%=$B/completion/_%) \
	$(PROGRAMS:%=$B/completion/%.fish)
$B/completion/_%: $B/bin/% packaging/completion
	@mkdir -p $(@D)
	$Qpackaging/completion zsh $< >$@.new && mv $@.new $@
$B/completion/%.fish: $B/bin/% packaging/completion
	@mkdir -p $(@D)
	$Qpackaging/completion fish $< >$@.new && mv $@.new $@
$B/completion/%: $B/bin/% packaging/completion
	@mkdir -p $(@D)
	$Qpackaging/completion bash $< >$@.new && mv $@.new $@

MAN = $(wildcard man/*.[1-9])
EXAMPLES = $(sort $(shell find examples -type f))
INSTALL ?= install

install: all $(COMPLETION)
	$(INSTALL) -d '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(EXAMPLESDIR)' \
		'$(DESTDIR)$(BASHDIR)' '$(DESTDIR)$(ZSHDIR)' '$(DESTDIR)$(FISHDIR)' \
		$(foreach s,1 5 7,'$(DESTDIR)$(MANDIR)/man$s')
	$(INSTALL) -m 755 $(PROGRAMS:%=$B/bin/%) '$(DESTDIR)$(BINDIR)'
	$(INSTALL) -m 644 $(PROGRAMS:%=$B/completion/%) '$(DESTDIR)$(BASHDIR)'
	$(INSTALL) -m 644 $(PROGRAMS:%=$B/completion/_%) '$(DESTDIR)$(ZSHDIR)'
	$(INSTALL) -m 644 $(PROGRAMS:%=$B/completion/%.fish) '$(DESTDIR)$(FISHDIR)'
	for f in $(MAN); do \
		$(INSTALL) -m 644 $$f '$(DESTDIR)$(MANDIR)/'man$${f##*.} || \
			exit; \
	done
	for f in $(EXAMPLES:examples/%=%); do \
		$(INSTALL) -D -m "$$(test -x examples/$$f && echo 755 || echo 644)" examples/$$f \
			'$(DESTDIR)$(EXAMPLESDIR)'/$$f || exit; \
	done

uninstall:
	rm -f $(PROGRAMS:%='$(DESTDIR)$(BINDIR)/%') \
		$(PROGRAMS:%='$(DESTDIR)$(BASHDIR)/%') \
		$(PROGRAMS:%='$(DESTDIR)$(ZSHDIR)/_%') \
		$(PROGRAMS:%='$(DESTDIR)$(FISHDIR)/%.fish') \
		$(foreach m,$(MAN),'$(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $m))/$(notdir $m)') \
		$(EXAMPLES:examples/%='$(DESTDIR)$(EXAMPLESDIR)/%')
	rmdir $(addsuffix ',$(addprefix '$(DESTDIR)$(EXAMPLESDIR)/,$(filter-out ./,$(sort $(dir $(EXAMPLES:examples/%=%)))))) \
		'$(DESTDIR)$(EXAMPLESDIR)' '$(dir $(DESTDIR)$(EXAMPLESDIR))' \
		2>/dev/null || :

.PHONY: tools unit check check-s3 check-page cross soak lint demo bench check-large bench-large bench-growth bench-million fuzz fuzzers fuzz-check cover dist sbom deb musl static install uninstall
