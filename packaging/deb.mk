# The VMM as a Debian package.
#   make deb         build/hospes_VERSION_amd64.deb; DEBUG=0 BUILD=build/release for one without assertions

DEB := $(BUILD)/hospes_$(HOSPES_VERSION)_amd64.deb

.PHONY: deb grub-image
deb: $(DEB)

$(DEB): $(BUILD)/hospes $(wildcard packaging/mkdeb packaging/debian/* docs/*.md)
	@packaging/mkdeb $(BUILD)/hospes $(HOSPES_VERSION) $(BUILD)

# The disk of an installed machine that the package is tested on.
grub-image: dom0-image
	@host/mkimage-grub $(BUILD)
