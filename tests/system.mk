# Whole machines in QEMU (tests/system), and the line that sums all suites up.
#   make test-system   the representative scenarios; ONLY=expression picks some (pytest -k)
#   make soak-system   the long ones as well
#   make test          every suite, ends with "N passed, N failed"
#   make soak          the same with the long scenarios

PYTHON := /usr/bin/python3
PYTEST := $(PYTHON) -B -m pytest -p no:cacheprovider -rf --tb=short --durations=25 --durations-min=10
SYSTEM_ENV = BUILD=$(BUILD) HYPERVISOR=$(HYPERVISOR)
ONLY ?=
export MAKE

SYSTEM_NEEDS = $(filter $(BUILD)/hospes,$(HYPERVISOR)) dom0-image guest-image $(NEIGHBOURS) $(BUILD)/shim \
    $(BUILD)/system/vchan

# A loader that spoils what the VMM is given.
$(BUILD)/shim: tests/system/shim/shim.c
	@mkdir -p $(@D)
	gcc -m32 -std=gnu11 -O1 -Wall -Wextra -Werror -ffreestanding -fno-pic -fno-stack-protector -mno-sse \
	    -fcf-protection=none -fno-asynchronous-unwind-tables -nostdlib -static \
	    -Wl,-Ttext=0x4000000,--section-start=.multiboot=0x3fff000,--build-id=none,-z,noexecstack,-e,_start -o $@ $<

# A program for guests, with Xen's libraries.
$(BUILD)/system/vchan: tests/system/programs/vchan.c
	@mkdir -p $(@D)
	gcc -std=gnu11 -O2 -static -Wall -Wextra -Werror -o $@ $< -lxenvchan -lxenstore -lxengnttab -lxenevtchn \
	    -lxentoolcore -lxentoollog -lxencall

# Kernel and RAM disk of Debian's installer.
INSTALLER := $(addprefix $(BUILD)/installer/,linux initrd.gz)
$(INSTALLER) &:
	@mkdir -p $(BUILD)/installer/deb
	cd $(BUILD)/installer && rm -f *.deb && apt-get -q download debian-installer-12-netboot-amd64
	dpkg-deb -x $(BUILD)/installer/debian-installer-12-netboot-amd64_*.deb $(BUILD)/installer/deb
	cp $(addprefix $(BUILD)/installer/deb/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64/,linux initrd.gz) \
	    $(BUILD)/installer
	touch $(INSTALLER)
	rm -r $(BUILD)/installer/deb $(BUILD)/installer/*.deb

.PHONY: test soak test-system soak-system
test: images
	tests/run-all test-lint test-unit test-fuzz test-guests test-system

soak: images
	tests/run-all test-lint test-unit test-guests soak-guests soak-system

test-system: $(SYSTEM_NEEDS)
	$(SYSTEM_ENV) $(PYTEST) tests/system $(if $(ONLY),-k '$(ONLY)')

soak-system: $(SYSTEM_NEEDS) $(INSTALLER) grub-image $(DEB)
	SUITE=system-soak $(SYSTEM_ENV) $(PYTEST) -m 'soak or not soak' tests/system $(if $(ONLY),-k '$(ONLY)')
