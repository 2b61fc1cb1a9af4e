# Unit tests: the VMM's own sources compiled for the host, with ASan and UBSan.
#
# Every tests/unit/test_NAME.c is a cmocka program.  To add one, write the file; at its top stand
# the sources that it compiles besides itself, and flags for the link if it needs any:
#
#   /* unit: hv/lib/printf.c tests/unit/stubs/printk.c */
#   /* unit-ldflags: -Wl,--wrap=page_alloc */
#
# What those sources call in functions that the test never reaches needs no stub: unused sections
# are dropped.  "make test-unit" runs all of them and writes build/results/unit.txt;
# "make test-unit-NAME" runs one.  UNIT_CC chooses the compiler.

UNIT_CC ?= $(CC)
BUILD ?= build
UNIT_BUILD := $(BUILD)/unit
UNIT_CFLAGS := -std=gnu11 -g -O1 -Wall -Wextra -Werror -Wshadow -Wno-unused-parameter -fno-omit-frame-pointer \
	-fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-ffunction-sections -fdata-sections \
	-Ihv -Ihv/include -Itests/unit -D__XEN_TOOLS__ -DHOSPES_UNIT_TEST
UNIT_LDFLAGS := -fsanitize=address,undefined -Wl,--gc-sections

UNIT_TESTS := $(patsubst tests/unit/test_%.c,%,$(sort $(wildcard tests/unit/test_*.c)))

# $(call unit-tag,tag,name): what the test's file says after "/* tag:", up to the end of the comment.
unit-tag = $(shell awk '/^\/\* $(1):/ { on = 1; sub(/^\/\* $(1):/, "") } \
	on { sub(/^ \*[^\/]/, ""); end = index($$0, "*/"); print end ? substr($$0, 1, end - 1) : $$0; \
	     if (end) exit }' tests/unit/test_$(2).c)

# A source that several tests name is compiled once.
$(UNIT_BUILD)/%.o: %.c tests/unit.mk
	@mkdir -p $(@D)
	$(UNIT_CC) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

define unit-rules
UNIT_OBJS_$(1) := $(patsubst %.c,$(UNIT_BUILD)/%.o,tests/unit/test_$(1).c $(call unit-tag,unit,$(1)))
$(UNIT_BUILD)/test_$(1): $$(UNIT_OBJS_$(1))
	$$(UNIT_CC) $$(UNIT_LDFLAGS) -o $$@ $$^ $(call unit-tag,unit-ldflags,$(1)) -lcmocka
UNIT_OBJS += $$(UNIT_OBJS_$(1))
.PHONY: test-unit-$(1)
test-unit-$(1): $(UNIT_BUILD)/test_$(1)
	./$$<
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call unit-rules,$(t))))
-include $(sort $(UNIT_OBJS:.o=.d))

.PHONY: test-unit
test-unit: $(UNIT_TESTS:%=$(UNIT_BUILD)/test_%)
	tests/unit/run.sh $(BUILD)/results $^
