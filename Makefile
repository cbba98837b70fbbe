# The programs of tools/. `make` builds, `make demo` and `make test` also install what is missing; `make help` lists the rest.
# Variables: CC, CFLAGS, BUILD (output folder), PREFIX, DESTDIR, V=1 (whole commands), WERROR=1, SANITIZE=1 (ASan + UBSan).
# Works with GNU make 3.81, which is what macOS has.

PREFIX  ?= /usr/local
CFLAGS  ?= -O2 -g
VERSION := 0.1.0

ifdef SANITIZE
  BUILD ?= build/sanitize
else
  BUILD ?= build
endif

SYSTEM  := $(shell uname -s)
MACHINE := $(shell uname -m)

# One source gives one answer: no fused multiply-add unless the source says so.
BASEFLAGS := -std=c11 -I. -I$(BUILD)/gen -ffp-contract=off -fno-math-errno -pthread \
             -DANEC_VERSION='"$(VERSION)"' \
             -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-unused-parameter
LIBS      := -ljansson -lutf8proc -lprotobuf-c -lm -pthread

ifeq ($(SYSTEM),Darwin)
  BREW      := $(shell brew --prefix 2>/dev/null || echo /opt/homebrew)
  BISON     ?= $(firstword $(wildcard $(BREW)/opt/bison/bin/bison) bison)
  BASEFLAGS += -D_DARWIN_C_SOURCE -I$(BREW)/include
  LIBS      += -L$(BREW)/lib
else
  BISON     ?= bison
  BASEFLAGS += -D_GNU_SOURCE
  LIBS      += -lcrypto -ldl
  # Test programs hold doubles of Apple's functions (tests/support/libane.c), found by name at run time.
  EXPORT    := -rdynamic
endif
RE2C ?= re2c
PROTOC ?= protoc-c

ifdef SANITIZE
  BASEFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
  LIBS      += -fsanitize=address,undefined
endif
ifdef FUZZER # set by tests/fuzz/run.sh, which has found a clang that can do it
  BASEFLAGS += -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
  LIBS      += -fsanitize=address,undefined
endif
ifdef WERROR
  BASEFLAGS += -Werror
endif

TREES    := base ir frontend passes backend runtime check
MODULES  := $(patsubst %/,%,$(sort $(dir $(foreach e,c re y,$(wildcard $(TREES:%=%/*.$(e)) $(TREES:%=%/*/*.$(e)))))))
SOURCES  := $(foreach m,$(MODULES),$(wildcard $(m)/*.c))
SCANNERS := $(foreach m,$(MODULES),$(wildcard $(m)/*.re))
GRAMMARS := $(foreach m,$(MODULES),$(wildcard $(m)/*.y))
PROTOS   := $(foreach m,$(MODULES),$(wildcard $(m)/*.proto))

# Kernels are one file per ISA level; each is compiled for its own level and chosen at run time.
# A file for another machine compiles to nothing.
ifneq ($(filter x86_64 amd64,$(MACHINE)),)
  $(BUILD)/obj/runtime/kernels/avx2.o:   ISAFLAGS := -mavx2 -mfma -mf16c
  $(BUILD)/obj/runtime/kernels/avx512.o: ISAFLAGS := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c -mprefer-vector-width=512
  # amx.c compiles to nothing where the compiler does not know the tiles.
  AMXFLAGS := $(shell $(CC) -mamx-tile -mamx-bf16 -E -x c /dev/null >/dev/null 2>&1 && echo -mamx-tile -mamx-bf16)
  $(BUILD)/obj/runtime/kernels/amx.o:    ISAFLAGS := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c $(AMXFLAGS)
  $(BUILD)/obj/tests/support/libamx.o:   ISAFLAGS := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c
endif
ifneq ($(filter aarch64 arm64,$(MACHINE)),)
  $(BUILD)/obj/runtime/kernels/neon.o:   ISAFLAGS := -march=armv8.2-a+fp16
  $(BUILD)/obj/runtime/kernels/dotprod.o: ISAFLAGS := -march=armv8.2-a+fp16+dotprod
  $(BUILD)/obj/runtime/kernels/fhm.o:    ISAFLAGS := -march=armv8.2-a+fp16+fp16fml
  $(BUILD)/obj/runtime/kernels/i8mm.o:   ISAFLAGS := -march=armv8.2-a+fp16+i8mm
endif

OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o) $(SCANNERS:%.re=$(BUILD)/obj/%.re.o) $(GRAMMARS:%.y=$(BUILD)/obj/%.y.o) \
           $(PROTOS:%.proto=$(BUILD)/obj/%.pb-c.o)
HEADERS := $(PROTOS:%.proto=$(BUILD)/gen/%.pb-c.h) $(GRAMMARS:%.y=$(BUILD)/gen/%.y.h) $(BUILD)/gen/frontend/anel/std.inc $(BUILD)/gen/ir/profiles.inc \
           $(BUILD)/gen/tools/anerun/kinds.inc
LIBRARY := $(BUILD)/libanec.a
# A folder of tools/ is one program; tools/shared/ is linked into each.
PROGRAMS := $(patsubst tools/%/main.c,%,$(wildcard tools/*/main.c))
TOOLS    := $(PROGRAMS:%=$(BUILD)/%)
parts     = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tools/$(1)/*.c tools/shared/*.c))

# tests/support/lib*.c is linked into every test program; the other files there are programs of their own.
SUPPORT := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/support/lib*.c))
UNITS   := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/*.c))
AIDS    := $(patsubst tests/support/%.c,$(BUILD)/tests/%,$(filter-out tests/support/lib%,$(wildcard tests/support/*.c)))
# tests/support/shared/*.c are shared objects that tests load.
SHARED  := $(patsubst tests/support/shared/%.c,$(BUILD)/tests/%.so,$(wildcard tests/support/shared/*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAYS := $(FUZZERS:%=$(BUILD)/tests/%)

ALL_OBJECTS := $(OBJECTS) $(SUPPORT) $(sort $(foreach p,$(PROGRAMS),$(call parts,$(p)))) $(UNITS:$(BUILD)/tests/%=$(BUILD)/obj/tests/unit/%.o) \
               $(AIDS:$(BUILD)/tests/%=$(BUILD)/obj/tests/support/%.o) $(FUZZERS:%=$(BUILD)/obj/tests/fuzz/%.o) $(BUILD)/obj/tests/fuzz/replay.o

ifdef V
  SAY := @:
else
  Q   := @
  SAY := @echo
endif

# Targets that build use every core unless the caller said otherwise.
CORES    := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
PARALLEL  = $(if $(findstring jobserver,$(MAKEFLAGS))$(filter -j%,$(MAKEFLAGS)),,-j$(CORES))
SUBMAKE   = $(MAKE) --no-print-directory $(PARALLEL)

MAKEFLAGS += -r
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all help setup demo test check check-quick tests units replays fuzz fuzz-programs sanitize aarch64-check macos-check ane-calls-check \
        install uninstall release clean format style bench anec-bench start-bench neon-count

all: $(TOOLS)

help:
	@echo 'make               build anec, anerun, aneprobe and anebench in $(BUILD)/'
	@echo 'make demo          install what is missing, build, compile the shipped model and let it write'
	@echo 'make test          install what is missing, build, run every test'
	@echo 'make check         as test, without looking for missing packages; check-quick leaves out the fuzz corpus'
	@echo '                   TESTS=PATTERN selects, REBASE=1 rewrites expectations'
	@echo 'make setup         install what is missing and nothing else'
	@echo 'make install       PREFIX=$(PREFIX) DESTDIR=$(DESTDIR); also uninstall'
	@echo 'make release       an archive of what is installed, in $(BUILD)/'
	@echo 'make style         layers, line lengths, headers on their own; make format runs clang-format'
	@echo 'make sanitize      the whole suite under ASan and UBSan'
	@echo 'make fuzz          libFuzzer over every reader, FUZZ_SECONDS=60 each'
	@echo 'make aarch64-check cross build, unit tests under qemu-aarch64'
	@echo 'make macos-check   cross build for macOS on arm64, and what the programs import from it'
	@echo 'make ane-calls-check  the calls into the Neural Engine framework, their types compared by clang (17 or later)'
	@echo 'make neon-count    instructions of products on aarch64, counted by qemu (docs/performance.md)'
	@echo 'make bench         prefill and decode of two model shapes beside peers and limits (docs/performance.md)'
	@echo 'make anec-bench    the compiler alone, at 48 layers (docs/performance.md)'
	@echo 'make start-bench   what the first token waits for, of the package PKG=FOLDER (docs/performance.md)'
	@echo 'make clean         remove $(BUILD)/'

setup:
	@CC='$(CC)' RE2C='$(RE2C)' BISON='$(BISON)' sh scripts/setup.sh

# ---- programs ----

$(foreach p,$(PROGRAMS),$(eval $(BUILD)/$(p): $(call parts,$(p))))

# LIBS_NAME: what one program alone needs.
LIBS_anec := -lcurl
LIBS_anerun := -ledit
$(TOOLS): $(BUILD)/%: $(LIBRARY)
	$(SAY) '  LD      $@'
	$(Q)$(CC) $(CFLAGS) $(BASEFLAGS) -o $@ $(filter %.o,$^) $(LIBRARY) $(LIBS_$(@F)) $(LIBS) $(LDFLAGS)

$(UNITS): $(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(SUPPORT) $(LIBRARY)
	@mkdir -p $(@D)
	$(SAY) '  LD      $@'
	$(Q)$(CC) $(CFLAGS) $(BASEFLAGS) -o $@ $^ $(EXPORT) $(LIBS) $(LDFLAGS)

# The same programs with the stand-in of the Neural Engine's framework inside, for the tests.
STANDINS := $(patsubst %,$(BUILD)/tests/%,$(filter aneprobe anebench anerun,$(PROGRAMS)))
$(foreach p,$(STANDINS:$(BUILD)/tests/%=%),$(eval $(BUILD)/tests/$(p): $(call parts,$(p))))
$(STANDINS): $(BUILD)/tests/%: $(SUPPORT) $(LIBRARY)
	@mkdir -p $(@D)
	$(SAY) '  LD      $@'
	$(Q)$(CC) $(CFLAGS) $(BASEFLAGS) -o $@ $(filter %.o,$^) $(LIBRARY) $(EXPORT) $(LIBS_$(@F)) $(LIBS) $(LDFLAGS)

$(AIDS): $(BUILD)/tests/%: $(BUILD)/obj/tests/support/%.o $(SUPPORT) $(LIBRARY)
	@mkdir -p $(@D)
	$(SAY) '  LD      $@'
	$(Q)$(CC) $(CFLAGS) $(BASEFLAGS) -o $@ $^ $(EXPORT) $(LIBS) $(LDFLAGS)

$(SHARED): $(BUILD)/tests/%.so: tests/support/shared/%.c
	@mkdir -p $(@D)
	$(SAY) '  LD      $@'
	$(Q)$(CC) $(CFLAGS) $(BASEFLAGS) -fPIC -shared -o $@ $< $(LDFLAGS)

ifdef FUZZER
$(REPLAYS): $(BUILD)/tests/%: $(BUILD)/obj/tests/fuzz/%.o $(SUPPORT) $(LIBRARY)
	@mkdir -p $(@D)
	$(SAY) '  LD      $@'
	$(Q)$(CC) $(CFLAGS) $(BASEFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS) $(LDFLAGS)
else
$(REPLAYS): $(BUILD)/tests/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/obj/tests/fuzz/replay.o $(SUPPORT) $(LIBRARY)
	@mkdir -p $(@D)
	$(SAY) '  LD      $@'
	$(Q)$(CC) $(CFLAGS) $(BASEFLAGS) -o $@ $^ $(LIBS) $(LDFLAGS)
endif

$(LIBRARY): $(OBJECTS)
	$(SAY) '  AR      $@'
	@rm -f $@
	$(Q)$(AR) rc $@ $^

$(BUILD)/obj/%.o: %.c | $(HEADERS)
	@mkdir -p $(@D)
	$(SAY) '  CC      $<'
	$(Q)$(CC) $(CFLAGS) $(BASEFLAGS) $(ISAFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/obj/%.o: $(BUILD)/gen/%.c | $(HEADERS)
	@mkdir -p $(@D)
	$(SAY) '  CC      $<'
	$(Q)$(CC) $(CFLAGS) $(BASEFLAGS) -Wno-sign-compare -Wno-unused-but-set-variable -MMD -MP -c $< -o $@

$(BUILD)/gen/%.re.c: %.re
	@mkdir -p $(@D)
	$(SAY) '  RE2C    $<'
	$(Q)$(RE2C) -W -Werror --no-debug-info --no-generation-date -o $@ $<

# Bison writes the header (token numbers, location type) beside the parser: include "frontend/x/name.y.h".
# A pattern rule with two targets runs once for both.
$(BUILD)/gen/%.y.c $(BUILD)/gen/%.y.h: %.y
	@mkdir -p $(@D)
	$(SAY) '  BISON   $<'
	$(Q)$(BISON) -Wall -Werror -Wno-other --defines=$(BUILD)/gen/$*.y.h -o $(BUILD)/gen/$*.y.c $<

$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h: %.proto
	@mkdir -p $(@D)
	$(SAY) '  PROTOC  $<'
	$(Q)$(PROTOC) --proto_path=. --c_out=$(BUILD)/gen $<

# std.anel is part of the program: the bytes of an array.
$(BUILD)/gen/frontend/anel/std.inc: models/std.anel
	@mkdir -p $(@D)
	$(SAY) '  EMBED   $<'
	$(Q)od -An -v -t u1 $< | sed 's/[0-9][0-9]*/&,/g' >$@

# builtin[] of type $(1): an array for each prerequisite, then their names, which are $(2)NAME$(3).
define EMBED
	@mkdir -p $(@D)
	$(SAY) '  EMBED   $(2)'
	$(Q)n=0; for f in $^; do \
	    echo "static const char text_$$n[] = {"; od -An -v -t u1 $$f | sed 's/[0-9][0-9]*/&,/g'; echo '0};'; n=$$((n + 1)); \
	done >$@
	$(Q){ echo 'static const $(1) builtin[] = {'; n=0; for f in $(^:$(2)%$(3)=%); do \
	    echo "    {\"$$f\", text_$$n},"; n=$$((n + 1)); done; echo '};'; } >>$@
endef

# The profiles, `safe` first.
PROFILES := profiles/safe.profile $(filter-out profiles/safe.profile,$(sort $(wildcard profiles/*.profile)))
$(BUILD)/gen/ir/profiles.inc: $(PROFILES)
	$(call EMBED,Builtin,profiles/,.profile)

# What anec makes of the model that ships, for anerun doctor.
$(BUILD)/gen/tools/anerun/kinds.inc: $(sort $(wildcard tools/anerun/kinds/*.mil))
	$(call EMBED,Kind,tools/anerun/kinds/,.mil)

# ---- running ----

demo: setup
	+@$(SUBMAKE) all
	$(BUILD)/anec models/gpt2.anel --weights models/tales -o $(BUILD)/tales.pkg
	$(BUILD)/anerun $(BUILD)/tales.pkg --prompt "Once upon a time" --tokens 200 --stats

test: setup
	+@$(SUBMAKE) check

# ---- tests ----

tests: all $(UNITS) $(AIDS) $(STANDINS) $(SHARED)

# What needs no more than the library: for machines that the programs are not built for.
units: $(UNITS) $(SHARED)

# The readers of untrusted files always run under the sanitizers, whatever the rest was built with.
CHECKED  := $(if $(SANITIZE),$(BUILD),$(BUILD)/sanitize)
SANITIZER = $(shell mkdir -p $(BUILD) && echo 'int main(void) { return 0; }' >$(BUILD)/probe.c && \
              $(CC) -fsanitize=address,undefined $(BUILD)/probe.c -o $(BUILD)/probe 2>/dev/null && echo yes)

ifdef SANITIZE
replays: $(REPLAYS)
else
replays:
	+@$(if $(SANITIZER),$(SUBMAKE) SANITIZE=1 BUILD=$(CHECKED) replays,echo 'note: $(CC) has no sanitizers')
endif

check: tests replays
	@BUILD='$(BUILD)' FUZZ_BUILD='$(CHECKED)' CC='$(CC)' sh tests/run.sh $(TESTS)

check-quick: tests
	@BUILD='$(BUILD)' CC='$(CC)' sh tests/run.sh --quick $(TESTS)

sanitize:
	+@$(SUBMAKE) SANITIZE=1 BUILD=$(BUILD)/sanitize check

fuzz-programs: $(REPLAYS)

fuzz:
	@MAKE='$(MAKE)' BUILD='$(BUILD)' sh tests/fuzz/run.sh $(FUZZERS)

aarch64-check:
	@MAKE='$(MAKE)' BUILD='$(BUILD)' sh scripts/aarch64-check.sh

macos-check:
	@MAKE='$(MAKE)' BUILD='$(BUILD)' CC='$(CC)' sh scripts/macos-check.sh

# Each method's implementation is called itself, so that the function sanitizer sees a wrong type of a call.
CLANG ?= clang
ane-calls-check:
	+@$(SUBMAKE) CC='$(CLANG)' BUILD=$(BUILD)/ane-calls $(BUILD)/ane-calls/tests/test_ane \
	    CFLAGS='-O1 -g -DANEC_CHECK_CALLS -fsanitize=function,undefined -fno-sanitize-recover=all'
	$(BUILD)/ane-calls/tests/test_ane
	+@MAKE='$(SUBMAKE)' CLANG='$(CLANG)' BUILD='$(BUILD)' sh scripts/ane-calls-seeds.sh

style:
	@BUILD='$(BUILD)' CC='$(CC)' CPPFLAGS='$(filter -I% -D%,$(BASEFLAGS))' sh scripts/style.sh

format:
	find base ir frontend passes backend runtime check tools tests \( -name '*.c' -o -name '*.h' \) -print | xargs clang-format -i

# ---- measuring ----

neon-count:
	@BUILD='$(BUILD)' CC='$(CC)' sh scripts/neon-count.sh

bench: all
	@BUILD='$(BUILD)' sh scripts/bench.sh

# The compiler alone, at 48 layers: the least of 21 runs, with small weights, all of which it reads to know ranges.
anec-bench: $(BUILD)/anec $(BUILD)/tests/usage
	@printf '48 layers, milliseconds: '
	@$(BUILD)/tests/usage 21 $(BUILD)/anec models/gpt2.anel --set layers=48 --set dim=48 --set heads=4 --set vocab=100 \
	    --random-weights 1 --emit mil -q -o $(BUILD)/anec-bench.mil

# Where the time to the first token goes.
start-bench: $(BUILD)/tests/bench_start
	@$(BUILD)/tests/bench_start '$(PKG)' 41

# ---- installing ----

BIN    = $(DESTDIR)$(PREFIX)/bin
MAN    = $(DESTDIR)$(PREFIX)/share/man/man1
SHARE  = $(DESTDIR)$(PREFIX)/share/anec
PAGES := $(wildcard man/*.1)
MODELS := $(wildcard models/*.anel)

# On macOS programs are signed ad hoc, without entitlements: Apple's chips run nothing that is unsigned. A new program
# is a new file, because the system remembers the signature of the old one.
CODESIGN ?= codesign
install: all
	install -d $(BIN) $(SHARE)/models
	rm -f $(TOOLS:$(BUILD)/%=$(BIN)/%)
	install -m 755 $(TOOLS) $(BIN)
	$(if $(filter Darwin,$(SYSTEM)),$(CODESIGN) --force --sign - $(TOOLS:$(BUILD)/%=$(BIN)/%))
	$(if $(MODELS),install -m 644 $(MODELS) $(SHARE)/models)
	$(if $(PAGES),install -d $(MAN))
	$(if $(PAGES),install -m 644 $(PAGES) $(MAN))

uninstall:
	rm -f $(TOOLS:$(BUILD)/%=$(BIN)/%) $(PAGES:man/%=$(MAN)/%)
	rm -rf $(SHARE)

# What `make install` installs, as one archive.
RELEASE := anec-$(VERSION)-$(SYSTEM)-$(MACHINE)
release:
	rm -rf $(BUILD)/release
	+@$(SUBMAKE) install DESTDIR=$(BUILD)/release/$(RELEASE) PREFIX=
	cp README.md LICENSE $(BUILD)/release/$(RELEASE)
	tar -cf - -C $(BUILD)/release $(RELEASE) | gzip -9 >$(BUILD)/$(RELEASE).tar.gz

clean:
	rm -rf $(BUILD)

-include $(ALL_OBJECTS:.o=.d)
