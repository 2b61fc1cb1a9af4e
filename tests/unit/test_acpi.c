/* unit: hv/acpi/acpi.c hv/acpi/madt.c hv/acpi/fadt.c hv/acpi/devices.c tests/unit/stubs/printk.c */
#include <unit.h>
#include <stdlib.h>
#include <string.h>
#include <acpi/acpi.h>
#include <acpi/parse.h>
#include <base/errno.h>
#include <cpu/features.h>
#include <mm/ioremap.h>
#include <stubs/printk.h>

/* Physical memory from 0 to 2 MiB. */
#define MEMORY (2u << 20)
static uint8_t *memory;
static int mapped;

struct cpu_features host_cpu = {.phys_bits = 40};

/* A copy of exactly what was asked for, so that any read beyond it is caught. */
const void *map_firmware(paddr_t pa, size_t len)
{
    uint8_t *copy;

    assert_true(paddr_x(pa) + len <= 1ull << host_cpu.phys_bits);
    copy = malloc(len);
    for (size_t i = 0; i < len; i++)
        copy[i] = paddr_x(pa) + i < MEMORY ? memory[paddr_x(pa) + i] : 0xff;
    mapped++;
    return copy;
}

void vunmap_range(const volatile void *va, size_t len)
{
    assert_true(len > 0);
    free((void *)va);
    mapped--;
}

static void put(uint64_t address, uint64_t value, int bytes)
{
    memcpy(memory + address, &value, bytes);
}

static void fix_checksum(uint64_t start, uint32_t len, uint32_t at)
{
    uint8_t sum = 0;

    memory[start + at] = 0;
    for (uint32_t i = 0; i < len; i++)
        sum += memory[start + i];
    memory[start + at] = -sum;
}

static void make_table(uint64_t address, const char *signature, uint32_t len)
{
    memcpy(memory + address, signature, 4);
    put(address + 4, len, 4);
    fix_checksum(address, len, 9);
}

#define RSDP 0xf5a00
#define XSDT 0x100000
#define RSDT 0x101000
#define MADT 0x102000
#define FADT 0x103000
#define HPET 0x104000
#define MCFG 0x105000

static void make_rsdp(uint64_t at, int revision)
{
    memcpy(memory + at, "RSD PTR ", 8);
    memory[at + 15] = revision;
    put(at + 16, RSDT, 4);
    fix_checksum(at, 20, 8);
    if (revision >= 2) {
        put(at + 20, 36, 4);
        put(at + 24, XSDT, 8);
        fix_checksum(at, 20, 8);
        fix_checksum(at, 36, 32);
    }
}

static uint32_t madt_len;

static void add_entry(const char *bytes, uint8_t len)
{
    memcpy(memory + MADT + madt_len, bytes, len);
    madt_len += len;
}

static void make_madt(void)
{
    put(MADT + 36, 0xfee00000, 4);
    put(MADT + 40, 1, 4);
    madt_len = 44;
    add_entry("\0\x08\0\0\x01\0\0\0", 8);
    add_entry("\0\x08\x01\x02\x01\0\0\0", 8);
    add_entry("\0\x08\x02\x04\0\0\0\0", 8);   /* not enabled */
    add_entry("\0\x08\x03\xff\x01\0\0\0", 8); /* no such CPU */
    add_entry("\x01\x0c\x07\0\0\0\xc0\xfe\x18\0\0\0", 12);
    add_entry("\x02\x0a\0\0\x02\0\0\0\0\0", 10);
    add_entry("\x02\x0a\0\x09\x09\0\0\0\x0d\0", 10); /* high, level */
    add_entry("\x02\x0a\0\x05\x15\0\0\0\x0f\0", 10); /* low, level */
    add_entry("\x03\x08\x0f\0\x21\0\0\0", 8);
    add_entry("\x04\x06\xff\0\0\x01", 6);
    add_entry("\x7f\x05xyz", 5);                                 /* a type of the future */
    add_entry("\x09\x10\0\0\x02\0\0\0\x01\0\0\0\x01\0\0\0", 16); /* the CPU with APIC id 2 again */
    add_entry("\x09\x10\0\0\x2c\x01\0\0\x01\0\0\0\x09\0\0\0", 16);
    add_entry("\x0a\x0c\0\0\xff\xff\xff\xff\x01\0\0\0", 12);
    make_table(MADT, "APIC", madt_len);
}

static void make_fadt(uint32_t len)
{
    memory[FADT + 8] = len > 132 ? 5 : 1;
    put(FADT + 36, 0x7000, 4);
    put(FADT + 46, 9, 2);
    put(FADT + 48, 0xb2, 4);
    memory[FADT + 52] = 2;
    put(FADT + 56, 0x600, 4);
    put(FADT + 64, 0x604, 4);
    put(FADT + 76, 0x608, 4);
    memory[FADT + 88] = 4;
    memory[FADT + 89] = 2;
    memory[FADT + 91] = 4;
    memory[FADT + 108] = 0x32;
    put(FADT + 109, 2, 2);
    put(FADT + 112, 1 << 8 | 1 << 10, 4);
    if (len > 132) {
        put(FADT + 116, 0x0801 | 0xcf9ull << 32, 12 - 4);
        memory[FADT + 116] = 1;
        put(FADT + 120, 0xcf9, 8);
        memory[FADT + 128] = 0x0f;
        put(FADT + 132, 0x123456789000, 8);
        memory[FADT + 172] = 1;
        put(FADT + 176, 0x804, 8);
        memory[FADT + 208] = 0;
        put(FADT + 212, 0xfed80808, 8);
    }
    make_table(FADT, "FACP", len);
}

static int setup(void **state)
{
    const uint64_t tables[] = {MADT, FADT, HPET, MCFG};

    (void)state;
    free(memory);
    memory = calloc(1, MEMORY);
    clear_messages();
    make_rsdp(RSDP, 2);
    make_madt();
    make_fadt(244);
    put(HPET + 36, 0x8086a201, 4);
    put(HPET + 44, 0xfed00000, 8);
    put(HPET + 53, 100, 2);
    make_table(HPET, "HPET", 56);
    put(MCFG + 44, 0xb0000000, 8);
    put(MCFG + 54, 0xff00, 2);
    make_table(MCFG, "MCFG", 60);
    for (int i = 0; i < 4; i++) {
        put(XSDT + 36 + i * 8, tables[i], 8);
        put(RSDT + 36 + i * 4, tables[i], 4);
    }
    make_table(XSDT, "XSDT", 36 + 32);
    make_table(RSDT, "RSDT", 36 + 16);
    memset(&acpi_madt, 0, sizeof(acpi_madt));
    memset(&acpi_fadt, 0, sizeof(acpi_fadt));
    memset(&acpi_hpet, 0, sizeof(acpi_hpet));
    memset(&acpi_mcfg, 0, sizeof(acpi_mcfg));
    return 0;
}

static int init(uint64_t rsdp)
{
    int err = acpi_init(rsdp);

    assert_int_equal(mapped, 0);
    return err;
}

static void check_madt(void)
{
    assert_true(acpi_madt.present);
    assert_true(acpi_madt.has_8259);
    assert_int_equal(acpi_madt.lapic_address, 0xfee00000);
    assert_int_equal(acpi_madt.nr_cpus, 4);
    assert_int_equal(acpi_madt.cpus[1].apic_id, 2);
    assert_int_equal(acpi_madt.cpus[1].acpi_id, 1);
    assert_true(acpi_madt.cpus[1].enabled);
    assert_false(acpi_madt.cpus[2].enabled);
    assert_int_equal(acpi_madt.cpus[3].apic_id, 300);
    assert_int_equal(acpi_madt.cpus[3].acpi_id, 9);
    assert_int_equal(acpi_madt.nr_ioapics, 1);
    assert_int_equal(acpi_madt.ioapics[0].id, 7);
    assert_int_equal(acpi_madt.ioapics[0].address, 0xfec00000);
    assert_int_equal(acpi_madt.ioapics[0].gsi_base, 24);
    assert_int_equal(acpi_madt.nr_overrides, 3);
    assert_int_equal(acpi_isa_irq_to_gsi(0), 2);
    assert_int_equal(acpi_isa_irq_to_gsi(5), 21);
    assert_int_equal(acpi_isa_irq_to_gsi(4), 4);
    assert_null(acpi_find_override(4));
    assert_int_equal(acpi_find_override(9)->polarity, ACPI_ACTIVE_HIGH);
    assert_int_equal(acpi_find_override(9)->trigger, ACPI_LEVEL);
    assert_int_equal(acpi_find_override(5)->polarity, ACPI_ACTIVE_LOW);
    assert_int_equal(acpi_find_override(0)->trigger, ACPI_EDGE);
    assert_int_equal(acpi_madt.nr_nmi_sources, 1);
    assert_int_equal(acpi_madt.nmi_sources[0].gsi, 33);
    assert_int_equal(acpi_madt.nr_lapic_nmis, 2);
    assert_int_equal(acpi_madt.lapic_nmis[0].acpi_id, ACPI_ALL_CPUS);
    assert_int_equal(acpi_madt.lapic_nmis[1].lint, 1);
}

static void test_all_tables(void **state)
{
    (void)state;
    assert_int_equal(init(0), 0);
    assert_int_equal(acpi_rsdp(), RSDP);
    check_madt();

    assert_true(acpi_fadt.present);
    assert_int_equal(acpi_fadt.sci_irq, 9);
    assert_int_equal(acpi_fadt.smi_command, 0xb2);
    assert_int_equal(acpi_fadt.pm1a_control.space, ACPI_SPACE_IO);
    assert_int_equal(acpi_fadt.pm1a_control.address, 0x804); /* the extended field wins */
    assert_int_equal(acpi_fadt.pm1b_control.address, 0);
    assert_int_equal(acpi_fadt.pm1a_event.address, 0x600);
    assert_int_equal(acpi_fadt.pm_timer.space, ACPI_SPACE_MEMORY);
    assert_int_equal(acpi_fadt.pm_timer.address, 0xfed80808);
    assert_int_equal(acpi_fadt.pm_timer_bits, 32);
    assert_int_equal(acpi_fadt.reset.space, ACPI_SPACE_IO);
    assert_int_equal(acpi_fadt.reset.address, 0xcf9);
    assert_int_equal(acpi_fadt.reset_value, 0x0f);
    assert_int_equal(acpi_fadt.facs, 0x123456789000);
    assert_int_equal(acpi_fadt.century, 0x32);
    assert_int_equal(acpi_fadt.iapc_boot_arch, 2);

    assert_true(acpi_hpet.present);
    assert_int_equal(acpi_hpet.address, 0xfed00000);
    assert_int_equal(acpi_hpet.min_tick, 100);
    assert_int_equal(acpi_mcfg.nr, 1);
    assert_int_equal(acpi_mcfg.entries[0].address, 0xb0000000);
    assert_int_equal(acpi_mcfg.entries[0].end_bus, 255);

    assert_int_equal(acpi_find_table("HPET")->address, HPET);
    assert_int_equal(acpi_find_table("HPET")->length, 56);
    assert_null(acpi_find_table("SRAT"));
}

static void test_where_the_rsdp_is(void **state)
{
    (void)state;
    /* In the extended BIOS data area. */
    memcpy(memory + 0x9fc10, memory + RSDP, 36);
    memset(memory + RSDP, 0, 36);
    put(0x40e, 0x9fc0, 2);
    assert_int_equal(init(0), 0);
    assert_int_equal(acpi_rsdp(), 0x9fc10);

    /* Given by the loader. */
    setup(NULL);
    memcpy(memory + 0x1f0008, memory + RSDP, 36);
    memset(memory + RSDP, 0, 36);
    assert_int_equal(init(0x1f0008), 0);
    assert_int_equal(init(0x1f0000), -ENODEV);
    assert_int_equal(acpi_rsdp(), 0);

    /* Not on a 16-byte boundary; with a bad checksum; nowhere; at an impossible address. */
    assert_int_equal(init(0), -ENODEV);
    memcpy(memory + RSDP + 8, memory + 0x1f0008, 36);
    assert_int_equal(init(0), -ENODEV);
    memcpy(memory + RSDP, memory + 0x1f0008, 36);
    memory[RSDP + 9]++;
    assert_int_equal(init(0), -ENODEV);
    assert_int_equal(init(UINT64_MAX), -ENODEV);
    assert_int_equal(init(1ull << 40), -ENODEV);
}

static void test_rsdt(void **state)
{
    (void)state;
    make_rsdp(RSDP, 0);
    put(XSDT, 0, 8);
    assert_int_equal(init(0), 0);
    check_madt();

    /* A broken XSDT: the RSDT is as good. */
    setup(NULL);
    memory[XSDT + 10]++;
    assert_int_equal(init(0), 0);
    assert_int_equal(message_lines(), 5); /* one for each table, one for the XSDT */
    check_madt();

    setup(NULL);
    memory[RSDP + 33]++; /* the extended checksum */
    assert_int_equal(init(0), 0);
    check_madt();

    setup(NULL);
    memory[XSDT + 10]++;
    memory[RSDT + 10]++;
    assert_int_equal(init(0), -ENODEV);
    assert_false(acpi_madt.present);
}

static void test_bad_table(void **state)
{
    (void)state;
    memory[MADT + 50]++;
    assert_int_equal(init(0), 0);
    assert_false(acpi_madt.present);
    assert_int_equal(acpi_madt.nr_cpus, 0);
    assert_non_null(strstr(messages, "APIC at 0x102000: bad checksum"));
    assert_true(acpi_hpet.present);

    setup(NULL);
    put(MADT + 4, 35, 4);
    put(FADT + 4, 0xffffffff, 4);
    put(XSDT + 36 + 2 * 8, 1ull << 41, 8);
    put(XSDT + 36 + 3 * 8, 0, 8);
    fix_checksum(XSDT, 36 + 32, 9);
    assert_int_equal(init(0), 0);
    assert_false(acpi_madt.present || acpi_fadt.present || acpi_hpet.present || acpi_mcfg.nr);
    assert_non_null(strstr(messages, "APIC at 0x102000: bad length 35"));
    assert_non_null(strstr(messages, "FACP at 0x103000: bad length 4294967295"));
    assert_non_null(strstr(messages, "no table can be at 0x20000000000"));
    assert_int_equal(message_lines(), 3);
}

static void test_old_fadt(void **state)
{
    (void)state;
    memset(memory + FADT, 0, 300);
    make_fadt(116);
    assert_int_equal(init(0), 0);
    assert_true(acpi_fadt.present);
    assert_int_equal(acpi_fadt.pm1a_control.address, 0x604);
    assert_int_equal(acpi_fadt.pm_timer.space, ACPI_SPACE_IO);
    assert_int_equal(acpi_fadt.pm_timer.address, 0x608);
    assert_int_equal(acpi_fadt.facs, 0x7000);
    assert_int_equal(acpi_fadt.reset.address, 0);
    assert_int_equal(acpi_fadt.iapc_boot_arch, 0);

    setup(NULL);
    memset(memory + FADT, 0, 300);
    make_fadt(115);
    assert_int_equal(init(0), 0);
    assert_false(acpi_fadt.present);
}

static void test_odd_registers(void **state)
{
    (void)state;
    memory[FADT + 172] = 0x7f; /* functional fixed hardware: the legacy field serves */
    put(FADT + 56, 0x12345678, 4);
    memory[FADT + 91] = 0;
    memory[FADT + 116] = 3;
    make_table(FADT, "FACP", 244);
    put(HPET + 40, 1, 1);
    make_table(HPET, "HPET", 56);
    put(MCFG + 54, 0x0005, 2);
    make_table(MCFG, "MCFG", 60);
    assert_int_equal(init(0), 0);
    assert_int_equal(acpi_fadt.pm1a_control.address, 0x604);
    assert_int_equal(acpi_fadt.pm1a_event.address, 0);
    assert_int_equal(acpi_fadt.pm_timer_bits, 0);
    assert_int_equal(acpi_fadt.reset.address, 0);
    assert_false(acpi_hpet.present);
    assert_int_equal(acpi_mcfg.nr, 0);
}

/* Registers where the CPU has no addresses: reading them would fault. */
static void test_registers_beyond_memory(void **state)
{
    const uint64_t limit = 1ull << host_cpu.phys_bits;

    (void)state;
    put(HPET + 44, limit - 512, 8);
    make_table(HPET, "HPET", 56);
    put(MCFG + 44, limit - (255ull << 20), 8); /* the last bus is beyond */
    put(MCFG + 60, limit - (256ull << 20), 8);
    put(MCFG + 68, 0xff000001, 4);
    put(MCFG + 76, ~0ull << 28, 8); /* over the end of 2^64 */
    put(MCFG + 84, 0xff000002, 4);
    make_table(MCFG, "MCFG", 92);
    assert_int_equal(init(0), 0);
    assert_false(acpi_hpet.present);
    assert_int_equal(acpi_mcfg.nr, 1);
    assert_int_equal(acpi_mcfg.entries[0].segment, 1);

    put(HPET + 44, limit - 1024, 8);
    make_table(HPET, "HPET", 56);
    assert_int_equal(init(0), 0);
    assert_true(acpi_hpet.present);
}

static void test_broken_madt_entries(void **state)
{
    static const char *const bad[] = {"\0\0", "\0\1", "\x02\x09xxxxxxx",
                                      "\x01\x0b"
                                      "xxxxxxxxx",
                                      "\x7f\xff"};
    static const uint8_t lengths[] = {2, 2, 9, 11, 2};

    (void)state;
    for (size_t i = 0; i < sizeof(lengths); i++) {
        setup(NULL);
        madt_len = 52;
        add_entry(bad[i], lengths[i]);
        make_table(MADT, "APIC", madt_len);
        assert_int_equal(init(0), 0);
        assert_true(acpi_madt.present);
        assert_int_equal(acpi_madt.nr_cpus, 1);
        assert_non_null(strstr(messages, "broken entry at offset 52"));
    }
    setup(NULL);
    make_table(MADT, "APIC", 53); /* half an entry */
    assert_int_equal(init(0), 0);
    assert_int_equal(acpi_madt.nr_cpus, 1);
    setup(NULL);
    make_table(MADT, "APIC", 43);
    assert_int_equal(init(0), 0);
    assert_false(acpi_madt.present);
}

static void test_too_much_of_all(void **state)
{
    char x2apic[16] = "\x09\x10";
    uint8_t *table;
    uint32_t len = 44;

    (void)state;
    table = calloc(1, 44 + 1000 * 64);
    for (uint32_t i = 0; i < 1000; i++) {
        memcpy(x2apic + 4, &i, 4);
        x2apic[8] = 1;
        memcpy(table + len, x2apic, 16);
        memcpy(table + len + 16, "\x01\x0c\x07\0\0\0\xc0\xfe\x18\0\0\0", 12);
        memcpy(table + len + 28, "\x02\x0a\0\0\x02\0\0\0\0\0", 10);
        memcpy(table + len + 38, "\x03\x08\x0f\0\x21\0\0\0", 8);
        memcpy(table + len + 46, "\x04\x06\xff\0\0\x01", 6);
        len += 52;
    }
    acpi_parse_madt(table, len, &acpi_madt);
    free(table);
    assert_int_equal(acpi_madt.nr_cpus, ACPI_MAX_CPUS);
    assert_int_equal(acpi_madt.nr_ioapics, ACPI_MAX_IOAPICS);
    assert_int_equal(acpi_madt.nr_overrides, ACPI_MAX_OVERRIDES);
    assert_int_equal(acpi_madt.nr_nmi_sources, ACPI_MAX_NMIS);
    assert_int_equal(acpi_madt.nr_lapic_nmis, ACPI_MAX_NMIS);
    assert_int_equal(message_lines(), 4);

    /* And of tables. */
    clear_messages();
    for (uint32_t i = 0; i < 2000; i++)
        put(RSDT + 36 + i * 4, HPET, 4);
    put(HPET, 0, 8);
    make_table(RSDT, "RSDT", 36 + 8000);
    make_rsdp(RSDP, 0);
    assert_int_equal(init(0), 0);
    assert_int_equal(message_lines(), ACPI_MAX_TABLES + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_all_tables, setup),
        cmocka_unit_test_setup(test_where_the_rsdp_is, setup),
        cmocka_unit_test_setup(test_rsdt, setup),
        cmocka_unit_test_setup(test_bad_table, setup),
        cmocka_unit_test_setup(test_old_fadt, setup),
        cmocka_unit_test_setup(test_odd_registers, setup),
        cmocka_unit_test_setup(test_registers_beyond_memory, setup),
        cmocka_unit_test_setup(test_broken_madt_entries, setup),
        cmocka_unit_test_setup(test_too_much_of_all, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
