# The VMM: every source below hv/, linked to build/hospes (multiboot 1, ELF32).

CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
LD      := ld
OBJCOPY := objcopy
NM      := nm
DEBUG   ?= 1

HV_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -nostdinc -isystem $(shell $(CC) -print-file-name=include) \
	-fPIE -fvisibility=hidden -mno-red-zone -mgeneral-regs-only -fno-strict-aliasing -fno-common \
	-fno-asynchronous-unwind-tables -fno-omit-frame-pointer -fcf-protection=none \
	-fno-optimize-sibling-calls -fstack-protector-strong -mstack-protector-guard=global \
	-ffunction-sections -fno-delete-null-pointer-checks \
	-Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wundef -Wvla \
	-Wno-unused-parameter \
	-D__XEN_TOOLS__ -Ihv -Ihv/include -idirafter /usr/include
ifneq ($(DEBUG),0)
HV_CFLAGS += -DHOSPES_DEBUG
endif

HV_SRCS := $(sort $(wildcard hv/*/*.c hv/*/*.S))
HV_OBJS := $(patsubst %,$(BUILD)/%.o,$(HV_SRCS))
