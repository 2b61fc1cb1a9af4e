#include <base/compiler.h>
#include <bios/call.h>
#include <boot/e820.h>
#include <lib/string.h>
#include <mm/ioremap.h>
#include <mm/page.h>

#define BIOS_DATA_AREA  0x400
#define CS32_ENTRY      2
#define CS16_ENTRY      3
#define DESC_BASE_SHIFT 16

extern char bios_code_start[], bios_code_end[], bios_code_gdt[], bios_code_gdt_base[], bios_code_segment[],
    bios_code_vector[], bios_code_regs[];
extern struct {
    uint16_t limit;
    uint64_t base;
} __packed bios_gdtr;
void bios_enter(void);

/* The page of call.S's copy and its stack; the next one is the buffer. */
static uint64_t low_page __initdata;

static void *__init low_address(const char *symbol)
{
    return (char *)mfn_to_virt(_mfn(low_page)) + ((uint64_t)symbol - (uint64_t)bios_code_start);
}

bool __init bios_call_init(void)
{
    uint64_t base, *gdt;

    low_page = e820_low_pages(&host_e820, 2);
    if (!low_page)
        return false;
    base = low_page << PAGE_SHIFT;
    memcpy(low_address(bios_code_start), bios_code_start, (size_t)bios_code_end - (size_t)bios_code_start);
    gdt = low_address(bios_code_gdt);
    gdt[CS32_ENTRY] |= base << DESC_BASE_SHIFT;
    gdt[CS16_ENTRY] |= base << DESC_BASE_SHIFT;
    bios_gdtr.base = base + (uint64_t)bios_code_gdt - (uint64_t)bios_code_start;
    *(uint32_t *)low_address(bios_code_gdt_base) = (uint32_t)bios_gdtr.base;
    *(uint16_t *)low_address(bios_code_segment) = (uint16_t)(base >> 4);
    return true;
}

void __init bios_call(uint8_t vector, struct bios_registers *r)
{
    *(volatile uint8_t *)low_address(bios_code_vector) = vector;
    memcpy(low_address(bios_code_regs), r, sizeof(*r));
    bios_enter();
    memcpy(r, low_address(bios_code_regs), sizeof(*r));
}

void *__init bios_buffer(uint16_t *segment)
{
    void *buffer = mfn_to_virt(_mfn(low_page + 1));

    *segment = (uint16_t)((low_page + 1) << (PAGE_SHIFT - 4));
    return memset(buffer, 0, BIOS_BUFFER_SIZE);
}

uint8_t __init bios_data(uint8_t offset)
{
    /* Not by the direct map: some firmware reserves the first page. */
    const volatile uint8_t *byte = map_firmware(_paddr(BIOS_DATA_AREA + offset), 1);
    uint8_t value = byte ? *byte : 0;

    if (byte)
        vunmap_range(byte, 1);
    return value;
}
