# Fuzzing of the parsers with libFuzzer.
#
# Every tests/fuzz/NAME.c defines LLVMFuzzerTestOneInput(); at its top stand the sources that it
# compiles besides itself, as in tests/unit.mk.  "make fuzz" runs each for FUZZ_SECONDS on top of
# the inputs found in earlier runs (in build/fuzz/corpus); "make test-fuzz" runs each for a fixed
# number of inputs from a fixed seed, the same every time, and writes build/results/fuzz.txt.

FUZZ_CC ?= clang
FUZZ_SECONDS ?= 60
FUZZ_RUNS ?= 30000
FUZZ_BUILD := $(BUILD)/fuzz
FUZZ_CFLAGS := -std=gnu11 -g -O1 -Wall -Wextra -Werror -Wno-unused-parameter -fno-omit-frame-pointer \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -ffunction-sections \
	-Ihv -Ihv/include -Itests/unit -D__XEN_TOOLS__ -DHOSPES_UNIT_TEST

FUZZERS := $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/*.c)))

fuzz-tag = $(shell awk '/^\/\* $(1):/ { on = 1; sub(/^\/\* $(1):/, "") } \
	on { sub(/^ \*[^\/]/, ""); end = index($$0, "*/"); print end ? substr($$0, 1, end - 1) : $$0; \
	     if (end) exit }' tests/fuzz/$(2).c)

define fuzz-rules
$(FUZZ_BUILD)/fuzz_$(1): tests/fuzz/$(1).c $(call fuzz-tag,fuzz,$(1)) $(wildcard hv/acpi/*.h hv/boot/*.h hv/lib/*.h) tests/fuzz.mk
	@mkdir -p $$(@D)
	$$(FUZZ_CC) $$(FUZZ_CFLAGS) -Wl,--gc-sections -o $$@ $$(filter %.c,$$^) $(call fuzz-tag,fuzz-ldflags,$(1))
.PHONY: fuzz-$(1) test-fuzz-$(1)
fuzz-$(1): $(FUZZ_BUILD)/fuzz_$(1)
	@mkdir -p $(FUZZ_BUILD)/corpus/$(1)
	cd $(FUZZ_BUILD) && ./fuzz_$(1) -max_total_time=$(FUZZ_SECONDS) -timeout=10 corpus/$(1) $(CURDIR)/tests/fuzz/seeds/$(1)
test-fuzz-$(1): $(FUZZ_BUILD)/fuzz_$(1)
	tests/fuzz/run.sh $(BUILD) $(FUZZ_RUNS) $(1)
endef
$(foreach f,$(FUZZERS),$(eval $(call fuzz-rules,$(f))))

.PHONY: fuzz test-fuzz
fuzz: $(FUZZERS:%=fuzz-%)
test-fuzz: $(FUZZERS:%=$(FUZZ_BUILD)/fuzz_%)
	tests/fuzz/run.sh $(BUILD) $(FUZZ_RUNS) $(FUZZERS)
