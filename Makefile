# anec and anerun. `make` builds, `make demo` and `make test` also install what is missing.
# Variables: CC, CFLAGS, BUILD (output folder), PREFIX, SANITIZE=1 (ASan + UBSan).

BUILD   ?= build
PREFIX  ?= /usr/local
CFLAGS  ?= -O2 -g
VERSION := 0.1.0

SYSTEM  := $(shell uname -s)
MACHINE := $(shell uname -m)

# One source gives one answer: no fused multiply-add unless the source says so.
BASEFLAGS := -std=c11 -I. -I$(BUILD)/gen -ffp-contract=off -fno-math-errno -pthread \
             -DANEC_VERSION='"$(VERSION)"' \
             -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-unused-parameter
LIBS      := -ljansson -lm -pthread

ifeq ($(SYSTEM),Darwin)
  BREW      := $(shell brew --prefix 2>/dev/null || echo /opt/homebrew)
  BISON     ?= $(firstword $(wildcard $(BREW)/opt/bison/bin/bison) bison)
  BASEFLAGS += -D_DARWIN_C_SOURCE -I$(BREW)/include
  LIBS      += -L$(BREW)/lib
else
  BISON     ?= bison
  BASEFLAGS += -D_GNU_SOURCE
  LIBS      += -lcrypto -ldl
endif
RE2C ?= re2c

ifdef SANITIZE
  BASEFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
  LIBS      += -fsanitize=address,undefined
endif
ifdef WERROR
  BASEFLAGS += -Werror
endif

MODULES  := base ir frontend/anel frontend/mil frontend/weights passes backend runtime runtime/kernels runtime/tokenizer
SOURCES  := $(foreach m,$(MODULES),$(wildcard $(m)/*.c))
SCANNERS := $(foreach m,$(MODULES),$(wildcard $(m)/*.re))
GRAMMARS := $(foreach m,$(MODULES),$(wildcard $(m)/*.y))

# Kernels are one file per ISA level; each is compiled for its own level and chosen at run time.
# A file for another machine compiles to nothing.
ifneq ($(filter x86_64 amd64,$(MACHINE)),)
  $(BUILD)/obj/runtime/kernels/avx2.o:   ISAFLAGS := -mavx2 -mfma -mf16c
  $(BUILD)/obj/runtime/kernels/avx512.o: ISAFLAGS := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c -mprefer-vector-width=512
endif
ifneq ($(filter aarch64 arm64,$(MACHINE)),)
  $(BUILD)/obj/runtime/kernels/neon.o:   ISAFLAGS := -march=armv8.2-a+fp16
endif

OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o) $(SCANNERS:%.re=$(BUILD)/obj/%.re.o) $(GRAMMARS:%.y=$(BUILD)/obj/%.y.o)
LIBRARY := $(BUILD)/libanec.a
TOOLS   := $(patsubst tools/%.c,$(BUILD)/%,$(wildcard tools/*.c))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all demo test setup install clean format style fuzz

all: $(TOOLS)

$(BUILD)/%: $(BUILD)/obj/tools/%.o $(LIBRARY)
	$(CC) $(CFLAGS) $(BASEFLAGS) -o $@ $^ $(LIBS) $(LDFLAGS)

$(LIBRARY): $(OBJECTS)
	@rm -f $@
	@$(AR) rc $@ $^

$(BUILD)/obj/%.o: %.c | generated
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(BASEFLAGS) $(ISAFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/obj/%.o: $(BUILD)/gen/%.c | generated
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(BASEFLAGS) -Wno-sign-compare -Wno-unused-but-set-variable -MMD -MP -c $< -o $@

$(BUILD)/gen/%.re.c: %.re
	@mkdir -p $(@D)
	$(RE2C) -W -Werror --no-debug-info --no-generation-date -o $@ $<

# Bison writes the header (token numbers, location type) beside the parser: include "frontend/x/name.y.h".
$(BUILD)/gen/%.y.c $(BUILD)/gen/%.y.h: %.y
	@mkdir -p $(@D)
	$(BISON) -Wall -Werror -Wno-other --defines=$(BUILD)/gen/$*.y.h -o $(BUILD)/gen/$*.y.c $<

.PHONY: generated
generated: $(GRAMMARS:%.y=$(BUILD)/gen/%.y.h)

clean:
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d) $(TOOLS:$(BUILD)/%=$(BUILD)/obj/tools/%.d)
