/* What dom0 asks of the machine's firmware through the hypervisor: tables, clock, variables. */
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include <xen/platform.h>
#include <xen/xen.h>

#define UNMAPPED     0x1000ul
#define LIMITED      4096ul
#define STATUS_ERROR (1ul << 63)
#define ALL_ATTRS    7u /* kept in flash, seen by boot services and at run time */

static struct xen_platform_op op;
static char buffer[8192] __attribute__((aligned(4096)));

static const struct xenpf_efi_guid test_guid = {0x6d1f4f5e, 0x91a2, 0x4f1e, {1, 2, 3, 4, 5, 6, 7, 8}};

static long firmware(uint32_t index)
{
    op.cmd = XENPF_firmware_info;
    op.interface_version = XENPF_INTERFACE_VERSION;
    op.u.firmware_info.type = XEN_FW_EFI_INFO;
    op.u.firmware_info.index = index;
    return HC1(__HYPERVISOR_platform_op, &op);
}

#define INFO op.u.firmware_info.u.efi_info

static void test_info(void)
{
    memset(&op, 0, sizeof(op));
    result_errno("version", firmware(XEN_FW_EFI_VERSION));
    result("version 2 or later", "%d", INFO.version >> 16 >= 2);
    result_errno("version of services", firmware(XEN_FW_EFI_RT_VERSION));
    result("their version 2 or later", "%d", INFO.version >> 16 >= 2);
    result_errno("config table", firmware(XEN_FW_EFI_CONFIG_TABLE));
    result("has address and entries", "%d %d", INFO.cfg.addr != 0, INFO.cfg.nent != 0);
    result_errno("index 7", firmware(7));
    result_errno("index 1000", firmware(1000));
    result_errno("apple properties", firmware(XEN_FW_EFI_APPLE_PROPERTIES));
    memset(&INFO, 0, sizeof(INFO));
    INFO.pci_rom.devfn = 0xf8;
    result_errno("rom of absent device", firmware(XEN_FW_EFI_PCI_ROM));
}

static void vendor(const char *name, uint32_t size, uint64_t gva)
{
    unsigned int chars = 0, touched = 0;
    const uint16_t *text = (const uint16_t *)buffer;
    long ret;

    memset(buffer, 0xee, sizeof(buffer));
    INFO.vendor.revision = 0;
    INFO.vendor.bufsz = size;
    INFO.vendor.name.p = (void *)gva;
    ret = firmware(XEN_FW_EFI_VENDOR);
    for (unsigned int i = 0; i < sizeof(buffer); i++)
        touched += (unsigned char)buffer[i] != 0xee;
    while (chars < 100 && text[chars] && text[chars] != 0xeeee)
        chars++;
    result(name, "%e, %u characters, ends %d, written %d, revision %d", ret, chars, !text[chars], touched > 0,
           INFO.vendor.revision != 0);
}

static void mem(const char *name, uint64_t addr, uint64_t size)
{
    long ret;

    INFO.mem.addr = addr;
    INFO.mem.size = size;
    INFO.mem.attr = 0;
    INFO.mem.type = 99;
    ret = firmware(XEN_FW_EFI_MEM_INFO);
    if (ret)
        result(name, "%e", ret);
    else
        result(name, "0, type %u, run time %d, size %s", INFO.mem.type, (int)(INFO.mem.attr >> 63),
               INFO.mem.size == size ? "kept"
               : INFO.mem.size       ? "cut"
                                     : "none");
}

static void test_ranges(void)
{
    uint64_t table;

    vendor("vendor, no room", 0, (uint64_t)buffer);
    vendor("vendor, room for the end", 2, (uint64_t)buffer);
    vendor("vendor, 3 bytes", 3, (uint64_t)buffer);
    vendor("vendor, room for 2", 6, (uint64_t)buffer);
    vendor("vendor, much room", 400, (uint64_t)buffer);
    vendor("vendor, unmapped", 400, UNMAPPED);
    firmware(XEN_FW_EFI_CONFIG_TABLE);
    table = INFO.cfg.addr;
    mem("range of the config table, to the end", table, ~0ul - table);
    mem("range of the config table, 1 byte", table, 1);
    mem("range of the config table, 0 bytes", table, 0);
    mem("range of the config table, wrapping", table, ~0ul);
    mem("range where nothing is", 1ul << 45, 4096);
}

#define CALL op.u.efi_runtime_call

static long call(uint32_t function, uint32_t misc)
{
    op.cmd = XENPF_efi_runtime_call;
    op.interface_version = XENPF_INTERFACE_VERSION;
    CALL.function = function;
    CALL.misc = misc;
    CALL.status = 0x1234;
    return HC1(__HYPERVISOR_platform_op, &op);
}

/* The errno, the firmware's status and what is left in misc. */
static void result_call(const char *name, long ret)
{
    if (ret)
        result(name, "%e", ret);
    else
        result(name, "0, status %s%u, misc %x", CALL.status & STATUS_ERROR ? "error " : "",
               (unsigned int)CALL.status, CALL.misc);
}

static void test_clock(void)
{
    memset(&op, 0, sizeof(op));
    result_call("get_time", call(XEN_EFI_get_time, 0));
    result("a time of this century", "%d", CALL.u.get_time.time.year >= 2000 && CALL.u.get_time.time.month);
    result_call("get_time, misc", call(XEN_EFI_get_time, 1));
    memset(&CALL.u, 0, sizeof(CALL.u));
    result_call("set_time, no such date", call(XEN_EFI_set_time, 0));
    result_call("set_time, misc", call(XEN_EFI_set_time, 1));
    result_call("get_wakeup_time", call(XEN_EFI_get_wakeup_time, 0));
    result_call("get_wakeup_time, misc", call(XEN_EFI_get_wakeup_time, 1));
    memset(&CALL.u, 0, sizeof(CALL.u));
    result_call("set_wakeup_time off", call(XEN_EFI_set_wakeup_time, 0));
    result_call("set_wakeup_time, misc", call(XEN_EFI_set_wakeup_time, 4));
    result_call("high count, misc", call(XEN_EFI_get_next_high_monotonic_count, 1));
    result_call("unknown function", call(99, 0));
    result_call("function 0", call(0, 0));
    memset(&CALL.u, 0, sizeof(CALL.u));
    result_call("capsule capabilities", call(XEN_EFI_query_capsule_capabilities, 0));
    memset(&CALL.u, 0, sizeof(CALL.u));
    result_call("update_capsule", call(XEN_EFI_update_capsule, 0));
    result_call("update_capsule, misc", call(XEN_EFI_update_capsule, 1));
}

static uint16_t name_test[] = {'t', 'i', 'n', 'y', 0};
static uint16_t name_empty[] = {0};

static void variable(void *name, void *data, uint64_t size)
{
    memset(&CALL.u, 0, sizeof(CALL.u));
    CALL.u.get_variable.name.p = name;
    CALL.u.get_variable.data.p = data;
    CALL.u.get_variable.size = size;
    CALL.u.get_variable.vendor_guid = test_guid;
}

static void get(const char *name, uint16_t *which, void *data, uint64_t size, uint32_t misc)
{
    long ret;

    memset(buffer, 0xee, sizeof(buffer));
    variable(which, data, size);
    ret = call(XEN_EFI_get_variable, misc);
    if (ret)
        result(name, "%e", ret);
    else
        result(name, "0, status %s%u, misc %x, size %lu, first byte %x, last %x",
               CALL.status & STATUS_ERROR ? "error " : "", (unsigned int)CALL.status, CALL.misc,
               CALL.u.get_variable.size, (unsigned char)buffer[0], (unsigned char)buffer[LIMITED]);
}

static void set(const char *name, uint16_t *which, void *data, uint64_t size, uint32_t attr)
{
    variable(which, data, size);
    result_call(name, call(XEN_EFI_set_variable, attr));
}

static void test_variables(void)
{
    static char data[100];

    memset(data, 0x5a, sizeof(data));
    get("get, absent", name_test, buffer, 100, 0);
    set("set", name_test, data, sizeof(data), ALL_ATTRS);
    get("get", name_test, buffer, sizeof(buffer), 0);
    get("get, exact", name_test, buffer, sizeof(data), 0);
    get("get, too small", name_test, buffer, 10, 0);
    get("get, size 0", name_test, buffer, 0, 0);
    get("get, size 0, no buffer", name_test, NULL, 0, 0);
    get("get, misc", name_test, buffer, 100, 1);
    get("get, empty name", name_empty, buffer, 100, 0);
    get("get, unmapped name", (uint16_t *)UNMAPPED, buffer, 100, 0);
    get("get, unmapped data", name_test, (void *)UNMAPPED, 100, 0);
    set("set, unmapped name", (uint16_t *)UNMAPPED, data, 10, ALL_ATTRS);
    set("set, unmapped data", name_test, (void *)UNMAPPED, 10, ALL_ATTRS);
    set("set, no attributes, delete", name_test, data, 0, 0);
    set("set, delete what is absent", name_test, data, 0, ALL_ATTRS);
    set("set, odd attributes", name_test, data, 10, 0xffff0000);
    set("set, run time only", name_test, data, 10, 4);
    get("get, deleted", name_test, buffer, 100, 0);
}

static void next(const char *name, void *gva, uint64_t size, uint32_t misc)
{
    long ret;

    memset(&CALL.u, 0, sizeof(CALL.u));
    CALL.u.get_next_variable_name.size = size;
    CALL.u.get_next_variable_name.name.p = gva;
    ret = call(XEN_EFI_get_next_variable_name, misc);
    if (ret)
        result(name, "%e", ret);
    else
        result(name, "0, status %s%u, size grew %d", CALL.status & STATUS_ERROR ? "error " : "",
               (unsigned int)CALL.status, CALL.u.get_next_variable_name.size > size);
}

static void test_names(void)
{
    struct xenpf_efi_guid guid = {0};
    unsigned int found = 0;

    memset(buffer, 0, sizeof(buffer));
    next("next of none, room for 1", buffer, 2, 0);
    memset(buffer, 0, sizeof(buffer));
    next("next of none, no room", buffer, 0, 0);
    next("next, misc", buffer, 100, 1);
    next("next, unmapped", (void *)UNMAPPED, 100, 0);
    memset(buffer, 1, 4096);
    memset(buffer + 4096, 0, 2);
    next("next, name longer than its size", buffer, 100, 0);

    memset(buffer, 0, sizeof(buffer));
    for (;;) {
        memset(&CALL.u, 0, sizeof(CALL.u));
        CALL.u.get_next_variable_name.size = 1024;
        CALL.u.get_next_variable_name.name.p = buffer;
        CALL.u.get_next_variable_name.vendor_guid = guid;
        if (call(XEN_EFI_get_next_variable_name, 0) || CALL.status || found == 1000)
            break;
        guid = CALL.u.get_next_variable_name.vendor_guid;
        found++;
    }
    result("walk ends", "%s%u", CALL.status & STATUS_ERROR ? "error " : "", (unsigned int)CALL.status);
    result("many found", "%d", found > 10 && found < 1000);
}

static void query(const char *name, uint32_t attr, uint32_t misc)
{
    long ret;

    memset(&CALL.u, 0, sizeof(CALL.u));
    CALL.u.query_variable_info.attr = attr;
    ret = call(XEN_EFI_query_variable_info, misc);
    if (ret)
        result(name, "%e", ret);
    else
        result(name, "0, status %s%u, misc %x, sizes %d", CALL.status & STATUS_ERROR ? "error " : "",
               (unsigned int)CALL.status, CALL.misc,
               CALL.u.query_variable_info.max_store_size >= CALL.u.query_variable_info.remain_store_size &&
                   CALL.u.query_variable_info.max_size);
}

/* Room in the store of variables, as it is and as it was at boot, before and after something was put there.
 */
static uint64_t room(uint32_t misc)
{
    memset(&CALL.u, 0, sizeof(CALL.u));
    CALL.u.query_variable_info.attr = ALL_ATTRS;
    call(XEN_EFI_query_variable_info, misc);
    return CALL.u.query_variable_info.remain_store_size;
}

static void test_room(void)
{
    uint64_t now = room(0), boot = room(XEN_EFI_VARINFO_BOOT_SNAPSHOT);

    variable(name_test, buffer, 1000);
    call(XEN_EFI_set_variable, ALL_ATTRS);
    result("room shrinks", "%d", room(0) < now);
    result("room at boot stays", "%d", room(XEN_EFI_VARINFO_BOOT_SNAPSHOT) == boot);
    variable(name_test, buffer, 0);
    call(XEN_EFI_set_variable, 0);
}

void guest_main(void)
{
    test_info();
    test_ranges();
    test_clock();
    test_variables();
    test_names();
    test_room();
    query("query", ALL_ATTRS, 0);
    query("query, at boot", ALL_ATTRS, XEN_EFI_VARINFO_BOOT_SNAPSHOT);
    query("query, at boot, not flash", 6, XEN_EFI_VARINFO_BOOT_SNAPSHOT);
    query("query, no attributes", 0, 0);
    query("query, misc", ALL_ATTRS, 2);
    audit_point();
}
