/* unit: hv/efi/system.c hv/efi/memory.c hv/boot/boot_info.c hv/lib/string.c tests/unit/stubs/printk.c */
#include <unit.h>
#include <string.h>
#include <boot/boot_info.h>
#include <boot/e820.h>
#include <efi/memory.h>
#include <efi/runtime.h>
#include <efi/system.h>
#include <efi/types.h>
#include <stubs/printk.h>

struct boot_e820 host_e820;

/* The firmware's memory: one range of a map that begins here. */
#define BASE 0x7f000000ull
static uint8_t memory[4 * 4096] __attribute__((aligned(4096)));
static const void *services;

const void *boot_peek(uint64_t paddr, uint64_t size)
{
    assert_true(paddr >= BASE && paddr + size <= BASE + sizeof(memory));
    return memory + (paddr - BASE);
}

void efi_runtime_services_read(const void *table)
{
    services = table;
}

static EFI_SYSTEM_TABLE *st = (void *)memory;
static EFI_RUNTIME_SERVICES *rs = (void *)(memory + 0x400);
static EFI_CONFIGURATION_TABLE *config = (void *)(memory + 0x800);
static uint16_t *vendor = (void *)(memory + 0x1000);

static int reset(void **state)
{
    const EFI_MEMORY_DESCRIPTOR d = {.Type = EfiRuntimeServicesData,
                                     .PhysicalStart = BASE,
                                     .NumberOfPages = sizeof(memory) / 4096,
                                     .Attribute = EFI_MEMORY_WB | EFI_MEMORY_RUNTIME};
    static const EFI_GUID acpi1 = ACPI_TABLE_GUID, acpi2 = ACPI_20_TABLE_GUID;

    memset(memory, 0, sizeof(memory));
    memset(&efi_system, 0, sizeof(efi_system));
    services = NULL;
    clear_messages();
    efi_memory_map_read(&d, sizeof(d), sizeof(d));
    st->Hdr.Signature = EFI_SYSTEM_TABLE_SIGNATURE;
    st->Hdr.Revision = 2 << 16 | 70;
    st->FirmwareRevision = 0x12345;
    st->FirmwareVendor = (void *)(BASE + 0x1000);
    st->RuntimeServices = (void *)(BASE + 0x400);
    st->NumberOfTableEntries = 2;
    st->ConfigurationTable = (void *)(BASE + 0x800);
    rs->Hdr.Signature = EFI_RUNTIME_SERVICES_SIGNATURE;
    rs->Hdr.Revision = 2 << 16 | 70;
    config[0].VendorGuid = acpi2;
    config[0].VendorTable = (void *)0x1234;
    config[1].VendorGuid = acpi1;
    config[1].VendorTable = (void *)0x5678;
    for (int i = 0; i < 5; i++)
        vendor[i] = "EDK I"[i];
    return 0;
}

static void test_typical(void **state)
{
    efi_system_read(BASE);
    assert_true(efi_system.present);
    assert_int_equal(efi_system.vendor_length, 6);
    assert_int_equal(efi_system.vendor[0], 'E');
    assert_int_equal(efi_system.rsdp, 0x1234);
    assert_int_equal(efi_system.nr_config, 2);
    assert_int_equal(efi_system.config_table, BASE + 0x800);
    assert_ptr_equal(services, rs);
    assert_int_equal(efi_system.runtime_revision, 2 << 16 | 70);
    assert_int_equal(message_lines(), 1); /* which says what was found */
}

static void test_old_rsdp_only(void **state)
{
    config[0].VendorGuid.Data1++;
    efi_system_read(BASE);
    assert_int_equal(efi_system.rsdp, 0x5678);
}

static void test_protection(void **state)
{
    static const EFI_GUID guid = {
        0xdcfa911d, 0x26eb, 0x469f, {0xa2, 0x20, 0x38, 0xb7, 0xdc, 0x46, 0x12, 0x20}};
    uint32_t *table = (void *)(memory + 0x2000);
    EFI_MEMORY_DESCRIPTOR d = {.Type = EfiRuntimeServicesCode, .PhysicalStart = BASE, .NumberOfPages = 2};

    config[0].VendorGuid = guid;
    config[0].VendorTable = (void *)(BASE + 0x2000);
    table[0] = 1;
    table[1] = 2;
    table[2] = 48;
    d.Attribute = EFI_PROTECT_WRITE | EFI_MEMORY_RUNTIME;
    memcpy(table + 4, &d, sizeof(d));
    d.PhysicalStart = BASE + 0x2000;
    d.Attribute = EFI_PROTECT_EXECUTE | EFI_MEMORY_RUNTIME;
    memcpy(table + 16, &d, sizeof(d));
    efi_system_read(BASE);
    assert_int_equal(efi_memory_protection(BASE + 0x1fff), EFI_PROTECT_WRITE);
    assert_int_equal(efi_memory_protection(BASE + 0x2000), EFI_PROTECT_EXECUTE);
    assert_int_equal(efi_memory_protection(BASE + 0x4000), 0);
    assert_int_equal(message_lines(), 1);

    table[1] = 0x10000000;
    efi_system_read(BASE);
    table[1] = 2;
    table[2] = 8;
    efi_system_read(BASE);
    assert_int_equal(message_lines(), 5); /* two complaints more, and two lines of what was found */
}

/* Each is named in one line, and what it would have told is absent. */
static void test_broken(void **state)
{
    efi_system_read(0x1000);
    assert_false(efi_system.present);
    assert_int_equal(message_lines(), 1);

    reset(NULL);
    efi_system_read(BASE + sizeof(memory) - 16); /* runs out of its range */
    assert_false(efi_system.present);

    reset(NULL);
    st->Hdr.Signature++;
    efi_system_read(BASE);
    assert_false(efi_system.present);

    reset(NULL);
    st->RuntimeServices = (void *)0x10;
    efi_system_read(BASE);
    assert_true(efi_system.present);
    assert_int_equal(efi_system.runtime_revision, 0);
    assert_null(services);

    reset(NULL);
    rs->Hdr.Signature = 0;
    st->NumberOfTableEntries = ~0ul / 8;
    efi_system_read(BASE);
    assert_int_equal(message_lines(), 3);
    assert_int_equal(efi_system.nr_config, 0);
    assert_int_equal(efi_system.rsdp, 0);

    reset(NULL);
    st->NumberOfTableEntries = 200;
    st->ConfigurationTable = (void *)(BASE + sizeof(memory) - 48);
    efi_system_read(BASE);
    assert_int_equal(efi_system.nr_config, 0);
}

static void test_vendor(void **state)
{
    for (int i = 0; i < 1000; i++)
        vendor[i] = 'x';
    efi_system_read(BASE);
    assert_int_equal(efi_system.vendor_length, EFI_VENDOR_MAX);
    assert_int_equal(efi_system.vendor[EFI_VENDOR_MAX - 1], 0);

    reset(NULL);
    st->FirmwareVendor = NULL;
    efi_system_read(BASE);
    assert_int_equal(efi_system.vendor_length, 1);

    reset(NULL);
    st->FirmwareVendor = (void *)(BASE + sizeof(memory) - 2);
    memory[sizeof(memory) - 2] = 'x';
    efi_system_read(BASE);
    assert_int_equal(efi_system.vendor_length, 2);
}

#define TEST(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_typical), TEST(test_old_rsdp_only), TEST(test_broken),
                                       TEST(test_protection), TEST(test_vendor)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
