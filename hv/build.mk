# The VMM: every source below hv/, linked to build/hospes (multiboot 1 and 2, ELF32).

ifeq ($(origin CC),default)
CC      := gcc
endif
LD      := ld
OBJCOPY := objcopy
NM      := nm
DEBUG   ?= 1

HV_INCLUDES := -Ihv -Ihv/include -I$(BUILD)/hv
HV_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -nostdinc -isystem $(shell $(CC) -print-file-name=include) \
	-fPIE -fvisibility=hidden -mno-red-zone -mgeneral-regs-only -fno-strict-aliasing -fno-common \
	-fno-asynchronous-unwind-tables -fno-omit-frame-pointer -fcf-protection=none \
	-fno-optimize-sibling-calls -fstack-protector-strong -mstack-protector-guard=global \
	-fno-delete-null-pointer-checks -mno-sse -fno-jump-tables \
	-Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wvla \
	-Wno-unused-parameter \
	-include hv/include/base/hidden.h -D__XEN_TOOLS__ $(HV_INCLUDES) -idirafter /usr/include
HOSPES_VERSION := 0.1
HV_CFLAGS += -DHOSPES_VERSION='"$(HOSPES_VERSION)"'
HV_AFLAGS := -g -D__XEN_TOOLS__ $(HV_INCLUDES)
ifneq ($(DEBUG),0)
HV_CFLAGS += -DHOSPES_DEBUG
endif

HV_NOT_LINKED := hv/cpu/asm_offsets.c hv/boot/image32.S hv/boot/hospes.lds.S
HV_SRCS := $(filter-out $(HV_NOT_LINKED),$(sort $(wildcard hv/*/*.c hv/*/*.S)))
HV_OBJS := $(patsubst %,$(BUILD)/%.o,$(HV_SRCS))
HV_EXTRA_OBJS :=
-include hv/boot/unpack.mk

.SECONDARY:

$(BUILD)/hv/asm_offsets.h: hv/cpu/asm_offsets.c hv/build.mk
	@mkdir -p $(@D)
	@$(CC) $(HV_CFLAGS) -MMD -MT $@ -MF $@.d -S -o $@.s $<
	@sed -n 's/.*"->\([A-Za-z_0-9]*\) \$$\{0,1\}\([0-9]*\)".*/#define \1 \2/p' $@.s > $@

$(BUILD)/%.c.o: %.c hv/build.mk | $(BUILD)/hv/asm_offsets.h
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(HV_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/%.S.o: %.S hv/build.mk $(BUILD)/hv/asm_offsets.h
	@mkdir -p $(@D)
	@echo "  AS      $<"
	@$(CC) $(HV_AFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/hospes.lds: hv/boot/hospes.lds.S hv/mm/layout.h
	@mkdir -p $(@D)
	@$(CC) -E -P -x c -Ihv -o $@ $<

# Linked three times, for backtraces: with no symbol table, with one of the final size, with the right one.
# Without relaxation: ld would turn loads through the GOT into 32-bit immediates that our addresses do not fit.
HV_LINK = $(LD) -nostdlib -static --build-id=sha1 -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments \
	--no-relax -T $(BUILD)/hospes.lds

$(BUILD)/hospes-syms: $(HV_OBJS) $(HV_EXTRA_OBJS) $(BUILD)/hospes.lds hv/lib/symtab.sh
	@echo "  LD      $@"
	@set -e; sh hv/lib/symtab.sh > $(BUILD)/symtab0.S; \
	for pass in 0 1 2; do \
	  $(CC) $(HV_AFLAGS) -c -o $(BUILD)/symtab$$pass.o $(BUILD)/symtab$$pass.S; \
	  $(HV_LINK) -o $@.$$pass $(HV_OBJS) $(HV_EXTRA_OBJS) $(BUILD)/symtab$$pass.o; \
	  sh hv/lib/symtab.sh $(NM) $@.$$pass > $(BUILD)/symtab$$((pass + 1)).S; \
	done; mv $@.2 $@

$(BUILD)/hospes.bin: $(BUILD)/hospes-syms
	@$(OBJCOPY) -O binary $< $@

$(BUILD)/hospes: $(BUILD)/hospes.bin hv/boot/image32.S
	@echo "  IMAGE   $@"
	@$(CC) -m32 -c -o $@.o -DIMAGE_BIN='"$(BUILD)/hospes.bin"' \
	  -DIMAGE_BSS=$$(( 0x$$($(NM) $(BUILD)/hospes-syms | awk '$$3=="_end"{print substr($$1,9)}') - 0x200000 - $$(stat -c %s $(BUILD)/hospes.bin) )) \
	  hv/boot/image32.S
	@$(LD) -m elf_i386 -static -nostdlib --build-id=none -z noexecstack --no-warn-rwx-segments \
	  --section-start=.image=0x200000 \
	  --section-start=.image_bss=$$(printf '0x%x' $$(( 0x200000 + $$(stat -c %s $(BUILD)/hospes.bin) ))) \
	  -e 0x$$($(NM) $(BUILD)/hospes-syms | awk '$$3=="start"{print substr($$1,9)}') -o $@ $@.o

-include $(HV_OBJS:.o=.d) $(BUILD)/hv/asm_offsets.h.d
