# Speed: the same program and image on the bare machine, on Debian's Xen and on ours.
#   make bench         BENCH="native hospes" picks, BENCH_RUNS=0 leaves the times out
#   make bench-pair    what back ends and front ends ask of the hypervisor
#   make bench-boot    from the hypervisor's first line to dom0's, BENCH_RUNS= boots of each
#   make bench-guests  in guests, and of the tools; BENCH="create micro" picks, BENCH_SAMPLES= of each time

BENCH ?=
BENCH_NEEDS = $(filter $(BUILD)/hospes,$(HYPERVISOR)) $(BUILD)/oracle/xen dom0-image
BENCH_RUN = BUILD=$(BUILD) HYPERVISOR=$(HYPERVISOR) /usr/bin/python3 -B

$(BUILD)/bench/micro: bench/micro.c
	@mkdir -p $(@D)
	gcc -std=gnu11 -O2 -static -Wall -Wextra -Werror -o $@ $<

$(BUILD)/initrd-bench.cpio.gz: $(BUILD)/bench/micro $(BUILD)/busybox host/mkimage-tiny $(wildcard host/tiny/*)
	@host/mkimage-tiny $(BUILD) $@ micro=$<

$(BUILD)/bench/pair: bench/pair.c $(GUEST_DEPS)
	$(call build-guest,)

.PHONY: bench bench-pair bench-boot bench-guests
bench: $(BENCH_NEEDS) $(BUILD)/initrd-bench.cpio.gz
	@$(BENCH_RUN) bench/compare $(BENCH)

bench-pair: $(BENCH_NEEDS) $(BUILD)/bench/pair
	@$(BENCH_RUN) bench/compare pair $(BENCH)

bench-boot: $(BENCH_NEEDS)
	@$(BENCH_RUN) bench/boot $(BENCH)

bench-guests: $(BENCH_NEEDS) guest-image $(NEIGHBOURS) $(BUILD)/system/vchan $(BUILD)/initrd-bench.cpio.gz
	@$(BENCH_RUN) bench/guests $(BENCH)
