# Images and the emulated machine.
#   make setup       installs the Debian packages all this needs (root or sudo)
#   make dom0-image  dom0's disk, kernel, initial RAM disks
#   make guest-image the disks of two guests
#   make iso         an image that starts dom0 by itself, on BIOS and EFI: build/hospes.iso
#   make run         dom0 on this terminal; CPUS= MEM= KERNEL= INITRD= HYPERVISOR= QEMU= QEMU_CPU= GUEST_DISKS=

HYPERVISOR ?= $(BUILD)/hospes
CPUS ?= 2
MEM ?= 2G
QEMU ?= qemu-system-x86_64
# dom0 gets a part of the memory, guests the rest.
HV_ARGS ?= console=com1 com1=115200,8n1 dom0_mem=768M,max:768M
# Disks of the guests that start with the machine; empty for none.
GUEST_DISKS ?= debian1=$(BUILD)/debian1.qcow2 debian2=$(BUILD)/debian2.qcow2
export QEMU QEMU_CPU QEMU_ACCEL HV_ARGS KERNEL_ARGS QEMU_ARGS

IMAGE_FILES := $(addprefix $(BUILD)/,dom0.img vmlinuz vmlinux initrd initrd-stock busybox)
TINY_INITRD := $(BUILD)/initrd-tiny.cpio.gz

.PHONY: setup images dom0-image guest-image iso run
setup:
	@host/setup

# Both at once: most of it is unpacking, each by one process.
images:
	@$(MAKE) --no-print-directory -j2 dom0-image guest-image

# mkimage-dom0 decides by itself whether anything is to be done.
dom0-image:
	@host/mkimage-dom0 $(BUILD)
	@$(MAKE) -s $(TINY_INITRD)

guest-image:
	@host/mkimage-guest $(BUILD)

$(IMAGE_FILES):
	@host/mkimage-dom0 $(BUILD)

$(TINY_INITRD): $(BUILD)/busybox host/mkimage-tiny $(wildcard host/tiny/*)
	@host/mkimage-tiny $(BUILD)

# HYPERVISOR= and HV_ARGS= as for run.
iso: $(filter $(BUILD)/hospes,$(HYPERVISOR)) dom0-image
	@BUILD=$(BUILD) HYPERVISOR=$(HYPERVISOR) HV_ARGS="$(HV_ARGS)" host/mkiso $(BUILD)/hospes.iso
	@ls -l $(BUILD)/hospes.iso

# Two commands in sequence: what setup installs is needed by the parts that follow.
run: setup
	@$(MAKE) --no-print-directory run-built

.PHONY: run-built
run-built: $(filter $(BUILD)/hospes,$(HYPERVISOR)) dom0-image $(if $(GUEST_DISKS),guest-image)
	@echo "Starting dom0: $(CPUS) CPUs, $(MEM) memory. Ctrl-A X leaves."
	@BUILD=$(BUILD) HYPERVISOR=$(HYPERVISOR) KERNEL=$(KERNEL) INITRD=$(INITRD) CPUS=$(CPUS) MEM=$(MEM) \
	    GUEST_DISKS="$(GUEST_DISKS)" \
	    host/run-qemu $(QEMU_ARGS)
