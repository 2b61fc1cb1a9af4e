# The decompression libraries as one object: our side of each (hv/boot/unpack/) and the static
# archives of liblzma, libzstd and zlib, linked partially; then every symbol but the functions of
# hv/boot/unpack/libs.h is made local, so that no name of theirs meets one of the VMM.

UNPACK_GLOBALS := unpack_xz unpack_zstd unpack_gzip unpack_libs_init
UNPACK_SRCS := $(wildcard hv/boot/unpack/*.c)
UNPACK_OBJS := $(patsubst %,$(BUILD)/%.o,$(UNPACK_SRCS))
UNPACK_ARCHIVES := $(foreach l,lzma zstd z,$(shell $(CC) -print-file-name=lib$(l).a))

# The libraries' headers include the C library's.
$(UNPACK_OBJS): HV_CFLAGS += -idirafter /usr/include/$(shell $(CC) -print-multiarch)

$(BUILD)/hv/boot/unpack-libs.o: $(UNPACK_OBJS) hv/boot/unpack/unpack.lds hv/boot/unpack.mk
	@echo "  LD      $@"
	@$(LD) -r -T hv/boot/unpack/unpack.lds -o $@.all $(UNPACK_OBJS) $(UNPACK_ARCHIVES)
	@$(OBJCOPY) $(foreach s,$(UNPACK_GLOBALS),--keep-global-symbol=$(s)) $@.all $@

HV_EXTRA_OBJS += $(BUILD)/hv/boot/unpack-libs.o
-include $(UNPACK_OBJS:.o=.d)
