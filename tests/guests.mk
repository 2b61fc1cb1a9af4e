# Tiny PV guests (guests/) booted as dom0, compared with what Debian's Xen answered (tests/oracle/).
#   make guests        builds them
#   make test-guests   boots each on HYPERVISOR= (default build/hospes) and compares
#   make soak-guests   the fuzzer with FUZZ_SEEDS= (default 50) seeds, on one and two vCPUs; every guest preempted everywhere,
#                      and in Bochs, on CPUs that QEMU has not
#   make oracle        records the answers of Debian's Xen 4.17 again

GUEST_NAMES := $(basename $(notdir $(wildcard guests/*.c)))
# The same source with the other way of making hypercalls, and with its P2M list elsewhere.
GUEST_VARIANTS := start-page start-p2m
GUESTS := $(addprefix $(BUILD)/guests/,$(GUEST_NAMES) $(GUEST_VARIANTS))
GUEST_COMMON := guests/common/entry.S $(sort $(wildcard guests/common/*.c))
GUEST_DEPS := $(GUEST_COMMON) $(wildcard guests/common/*.h) guests/common/guest.lds
GUEST_CC ?= $(CC)
GUEST_CFLAGS := -std=gnu11 -O2 -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
    -ffreestanding -fno-stack-protector -fno-pic -fcf-protection=none -mno-red-zone -mcmodel=kernel \
    -mgeneral-regs-only -fno-asynchronous-unwind-tables -D__XEN_TOOLS__ \
    -D__XEN_INTERFACE_VERSION__=0x00041100 -Iguests
GUEST_LDFLAGS := -nostdlib -static -Wl,-T,guests/common/guest.lds -Wl,--build-id=none \
    -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack

comma := ,
space := $(subst ,, )
HYPERVISOR ?= $(BUILD)/hospes
ORACLE_DEB ?=
GUEST ?=
GUEST_HYPERVISOR = $(filter $(BUILD)/hospes,$(HYPERVISOR))

build-guest = @mkdir -p $(@D); $(GUEST_CC) $(GUEST_CFLAGS) $(1) $(GUEST_LDFLAGS) -o $@ $(GUEST_COMMON) $<

$(addprefix $(BUILD)/guests/,$(GUEST_NAMES)): $(BUILD)/guests/%: guests/%.c $(GUEST_DEPS)
	$(call build-guest,)
$(BUILD)/guests/start-page: guests/start.c $(GUEST_DEPS)
	$(call build-guest,-DGUEST_HYPERCALL_PAGE)
$(BUILD)/guests/start-p2m: guests/start.c $(GUEST_DEPS)
	$(call build-guest,-DGUEST_INIT_P2M)

# Guests that xl starts beside others, for tests/system.
NEIGHBOURS := $(patsubst guests/%.c,$(BUILD)/guests/%,$(wildcard guests/neighbours/*.c))
$(NEIGHBOURS): $(BUILD)/guests/%: guests/%.c $(GUEST_DEPS)
	$(call build-guest,)

.PHONY: guests test-guests soak-guests oracle
guests: $(GUESTS) $(NEIGHBOURS)

# GUEST=a,b restricts the run.
test-guests: $(GUESTS) $(GUEST_HYPERVISOR)
	@mkdir -p $(BUILD)/results
	HYPERVISOR=$(HYPERVISOR) GUEST=$(GUEST) /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/guests

soak-guests: $(GUESTS) $(GUEST_HYPERVISOR)
	@mkdir -p $(BUILD)/results
	HYPERVISOR=$(HYPERVISOR) FUZZ_SEEDS=$(or $(FUZZ_SEEDS),50) SUITE=guests-soak SOAK=1 /usr/bin/python3 -m pytest -q -p no:cacheprovider \
	    -k 'fuzz or hardened or preempted or other_cpu' tests/guests

$(BUILD)/oracle/xen:
	@mkdir -p $(BUILD)/oracle/deb
	if [ -z "$(ORACLE_DEB)" ]; then cd $(BUILD)/oracle && apt-get -q download xen-hypervisor-4.17-amd64; \
	else cp $(ORACLE_DEB) $(BUILD)/oracle/; fi
	dpkg-deb -x $(BUILD)/oracle/xen-hypervisor-4.17-amd64_*.deb $(BUILD)/oracle/deb
	gunzip -c $(BUILD)/oracle/deb/boot/xen-4.17-amd64.gz > $@.tmp && mv $@.tmp $@

oracle: $(BUILD)/oracle/xen $(GUESTS)
	/usr/bin/python3 tests/guests/record.py $(subst $(comma),$(space),$(GUEST))
