# Hospes: top-level targets. Each part of the tree brings its own rules.
#
#   make            the VMM, build/hospes
#   make run        dom0 on an emulated machine, on this terminal
#   make test       the representative test set (also what .ci/run calls)
#   make help       everything else

BUILD ?= build

.DEFAULT_GOAL := hospes

include hv/build.mk
-include host/host.mk
-include packaging/deb.mk
-include tests/lint.mk
-include tests/unit.mk
-include tests/fuzz.mk
-include tests/guests.mk
-include tests/system.mk
-include bench/bench.mk

.PHONY: hospes clean help
hospes: $(BUILD)/hospes

clean:
	rm -rf $(BUILD)

help:
	@sed -n 's/^#   //p' Makefile host/*.mk packaging/*.mk tests/*.mk bench/*.mk
