/* From the RSDP to the tables: ACPI 6.4, sections 5.2.5 to 5.2.8. */
#include <acpi/acpi.h>
#include <acpi/parse.h>
#include <base/compiler.h>
#include <base/errno.h>
#include <console/printk.h>
#include <cpu/features.h>
#include <lib/string.h>
#include <mm/ioremap.h>

#define RSDP_SIGNATURE  "RSD PTR "
#define RSDP_V1_LENGTH  20
#define RSDP_V2_LENGTH  36
#define RSDP_REVISION   15
#define RSDP_RSDT       16
#define RSDP_LENGTH     20
#define RSDP_XSDT       24
#define RSDP_MAX_LENGTH 4096

#define BDA_EBDA_SEGMENT 0x40e
#define EBDA_SEARCH      1024
#define BIOS_START       0xe0000
#define BIOS_SIZE        0x20000

#define HEADER_LENGTH 4
#define MAX_TABLE     (16u << 20)

struct acpi_madt_info acpi_madt;
struct acpi_fadt_info acpi_fadt;
struct acpi_hpet_info acpi_hpet;
struct acpi_mcfg_info acpi_mcfg;

static uint64_t rsdp_address;
static struct acpi_table_ref tables[ACPI_MAX_TABLES];
static uint32_t nr_tables;

static __init bool checksum_ok(const uint8_t *p, uint32_t len)
{
    uint8_t sum = 0;

    while (len--)
        sum += *p++;
    return !sum;
}

static __init const uint8_t *map(uint64_t address, uint32_t len)
{
    return address && phys_range_ok(address, len) ? map_firmware(_paddr(address), len) : NULL;
}

/* A signature as text: what is not printable could be anything. */
static __init void copy_signature(char *dst, const uint8_t *src)
{
    for (int i = 0; i < 4; i++)
        dst[i] = src[i] > ' ' && src[i] <= '~' ? (char)src[i] : '?';
    dst[4] = '\0';
}

/*
 * Maps a whole table after checking its length and checksum; *@len is its length.  The caller
 * unmaps it.
 */
static __init const uint8_t *map_table(uint64_t address, uint32_t *len)
{
    const uint8_t *p = map(address, ACPI_HEADER_SIZE);
    char name[5];

    if (!p) {
        printk_warn("ACPI: no table can be at %#llx\n", (unsigned long long)address);
        return NULL;
    }
    copy_signature(name, p);
    *len = acpi_get32(p + HEADER_LENGTH);
    vunmap_range(p, ACPI_HEADER_SIZE);

    if (*len < ACPI_HEADER_SIZE || *len > MAX_TABLE || !(p = map(address, *len))) {
        printk_warn("ACPI: %s at %#llx: bad length %u\n", name, (unsigned long long)address, *len);
        return NULL;
    }
    /* Length again: what is firmware's may change under us only if the machine is broken. */
    if (acpi_get32(p + HEADER_LENGTH) != *len || !checksum_ok(p, *len)) {
        printk_warn("ACPI: %s at %#llx: bad checksum\n", name, (unsigned long long)address);
        vunmap_range(p, *len);
        return NULL;
    }
    return p;
}

static __init bool rsdp_valid(const uint8_t *p, uint32_t len)
{
    return len >= RSDP_V1_LENGTH && !memcmp(p, RSDP_SIGNATURE, 8) && checksum_ok(p, RSDP_V1_LENGTH);
}

/* On 16-byte boundaries; 0 if it is not there. */
static __init uint64_t search_rsdp(uint64_t start, uint32_t len)
{
    const uint8_t *p = map(start, len);
    uint64_t found = 0;

    if (!p)
        return 0;
    for (uint32_t pos = 0; pos + RSDP_V1_LENGTH <= len && !found; pos += 16)
        if (rsdp_valid(p + pos, len - pos))
            found = start + pos;
    vunmap_range(p, len);
    return found;
}

static __init uint64_t find_rsdp(void)
{
    const uint8_t *p = map(BDA_EBDA_SEGMENT, 2);
    uint64_t ebda = 0, found = 0;

    if (p) {
        ebda = (uint64_t)acpi_get16(p) << 4;
        vunmap_range(p, 2);
    }
    if (ebda)
        found = search_rsdp(ebda, EBDA_SEARCH);
    return found ? found : search_rsdp(BIOS_START, BIOS_SIZE);
}

/* What the RSDP says: addresses of the root tables, 0 if there is none. */
static __init int read_rsdp(uint64_t address, uint64_t *xsdt, uint64_t *rsdt)
{
    const uint8_t *p = map(address, RSDP_V1_LENGTH);
    uint32_t len;
    bool v2;

    *xsdt = *rsdt = 0;
    if (!p)
        return -ENODEV;
    if (!rsdp_valid(p, RSDP_V1_LENGTH)) {
        vunmap_range(p, RSDP_V1_LENGTH);
        return -ENODEV;
    }
    v2 = p[RSDP_REVISION] >= 2;
    *rsdt = acpi_get32(p + RSDP_RSDT);
    vunmap_range(p, RSDP_V1_LENGTH);
    if (!v2 || !(p = map(address, RSDP_V2_LENGTH)))
        return 0;

    len = acpi_get32(p + RSDP_LENGTH);
    *xsdt = acpi_get64(p + RSDP_XSDT);
    vunmap_range(p, RSDP_V2_LENGTH);
    if (len >= RSDP_V2_LENGTH && len <= RSDP_MAX_LENGTH && (p = map(address, len))) {
        if (!checksum_ok(p, len))
            *xsdt = 0;
        vunmap_range(p, len);
    } else {
        *xsdt = 0;
    }
    return 0;
}

static __init void parse_table(const char *signature, const uint8_t *table, uint32_t len)
{
    if (!strcmp(signature, "APIC"))
        acpi_parse_madt(table, len, &acpi_madt);
    else if (!strcmp(signature, "FACP"))
        acpi_parse_fadt(table, len, &acpi_fadt);
    else if (!strcmp(signature, "HPET"))
        acpi_parse_hpet(table, len, &acpi_hpet);
    else if (!strcmp(signature, "MCFG"))
        acpi_parse_mcfg(table, len, &acpi_mcfg);
}

static __init void add_table(uint64_t address)
{
    struct acpi_table_ref ref = {.address = address};
    const uint8_t *p = map_table(address, &ref.length);

    if (!p)
        return;
    copy_signature(ref.signature, p);
    printk_info("ACPI: %s at %#llx, %u bytes\n", ref.signature, (unsigned long long)address, ref.length);
    if (!acpi_find_table(ref.signature))
        parse_table(ref.signature, p, ref.length);
    vunmap_range(p, ref.length);
    tables[nr_tables++] = ref;
}

/* @width: bytes of an entry, 8 in the XSDT and 4 in the RSDT. */
static __init int walk_root(uint64_t address, uint32_t width)
{
    const uint8_t *root;
    uint32_t len, nr = 0;

    if (!address || !(root = map_table(address, &len)))
        return -ENODEV;
    if (memcmp(root, width == 8 ? "XSDT" : "RSDT", 4)) {
        printk_warn("ACPI: no root table at %#llx\n", (unsigned long long)address);
        vunmap_range(root, len);
        return -ENODEV;
    }
    for (uint32_t pos = ACPI_HEADER_SIZE; len - pos >= width; pos += width) {
        uint64_t entry = width == 8 ? acpi_get64(root + pos) : acpi_get32(root + pos);

        /* Bad ones count too: each costs a line. */
        if (nr++ == ACPI_MAX_TABLES) {
            printk_warn("ACPI: more than %u tables, the rest is ignored\n", ACPI_MAX_TABLES);
            break;
        }
        if (entry)
            add_table(entry);
    }
    vunmap_range(root, len);
    return 0;
}

__init int acpi_init(uint64_t rsdp)
{
    uint64_t xsdt, rsdt;

    nr_tables = 0;
    rsdp_address = rsdp ? rsdp : find_rsdp();
    if (!rsdp_address || read_rsdp(rsdp_address, &xsdt, &rsdt)) {
        printk_warn("ACPI: no valid RSDP\n");
        rsdp_address = 0;
        return -ENODEV;
    }
    if (!walk_root(xsdt, 8) || (!nr_tables && !walk_root(rsdt, 4)))
        return 0;
    printk_warn("ACPI: no valid root table\n");
    return -ENODEV;
}

uint64_t acpi_rsdp(void)
{
    return rsdp_address;
}

const struct acpi_table_ref *acpi_find_table(const char *signature)
{
    for (uint32_t i = 0; i < nr_tables; i++)
        if (!strcmp(tables[i].signature, signature))
            return &tables[i];
    return NULL;
}

const struct acpi_override *acpi_find_override(uint32_t irq)
{
    for (uint32_t i = 0; i < acpi_madt.nr_overrides; i++)
        if (acpi_madt.overrides[i].isa_irq == irq)
            return &acpi_madt.overrides[i];
    return NULL;
}

uint32_t acpi_isa_irq_to_gsi(uint32_t irq)
{
    const struct acpi_override *o = acpi_find_override(irq);

    return o ? o->gsi : irq;
}
