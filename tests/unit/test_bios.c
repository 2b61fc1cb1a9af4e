/* unit: hv/bios/disks.c hv/bios/monitor.c */
#include <unit.h>
#include <string.h>
#include <base/compiler.h>
#include <bios/call.h>
#include <bios/disks.h>
#include <bios/monitor.h>

#define BUFFER_SEGMENT 0x900

/* A BIOS with disks like those of a test, by number from 80h on. */
static struct fake_disk {
    bool extensions, geometry, params, readable;
    uint16_t length; /* that function 48h says it gave */
    uint16_t magic;
} disk[20];
static uint8_t nr_disks, highest_asked;
static uint32_t ddc_report, ddc_read; /* what EAX becomes */
static uint8_t buffer[BIOS_BUFFER_SIZE];

void *bios_buffer(uint16_t *segment)
{
    *segment = BUFFER_SEGMENT;
    return memset(buffer, 0, sizeof(buffer));
}

uint8_t bios_data(uint8_t offset)
{
    assert_int_equal(offset, 0x75);
    return nr_disks;
}

static bool disk_call(const struct fake_disk *d, struct bios_registers *r)
{
    switch (r->eax >> 8) {
    case 0x41:
        assert_int_equal(r->ebx, 0x55aa);
        r->ebx = 0xffffaa55; /* the upper half is nobody's */
        r->eax = 0x3000;
        r->ecx = 0xffff0007;
        return d->extensions;
    case 0x08:
        r->ecx = 0x55aafec5;
        r->edx = 0x1234fe02;
        return d->geometry;
    case 0x48:
        assert_int_equal(r->ds, BUFFER_SEGMENT);
        assert_int_equal(r->esi, 0);
        assert_int_equal(buffer[0] | buffer[1] << 8, EDD_PARAMS_SIZE);
        memset(buffer, 0xab, sizeof(buffer));
        memcpy(buffer, &d->length, 2);
        return d->params;
    case 0x02:
        assert_int_equal(r->eax, 0x201);
        assert_int_equal(r->ecx, 1);
        assert_int_equal(r->es, BUFFER_SEGMENT);
        assert_int_equal(r->ebx, 0);
        memcpy(buffer + 0x1b8, "\x44\x33\x22\x11", 4);
        memcpy(buffer + 0x1fe, &d->magic, 2);
        return d->readable;
    default:
        fail_msg("function %x", r->eax);
        return false;
    }
}

void bios_call(uint8_t vector, struct bios_registers *r)
{
    if (vector == 0x10) {
        assert_int_equal(r->eax, 0x4f15);
        r->eax = r->ebx ? ddc_read : ddc_report;
        if (!r->ebx)
            r->ebx = 0xff0203;
        else
            memset(buffer, 0x77, sizeof(buffer));
        return;
    }
    assert_int_equal(vector, 0x13);
    assert_in_range(r->edx, 0x80, 0x80 + nr_disks - 1);
    if (r->edx > highest_asked)
        highest_asked = (uint8_t)r->edx;
    r->eflags = disk_call(&disk[r->edx - 0x80], r) ? 0x202 : 0x203;
}

static int reset(void **state)
{
    memset(disk, 0, sizeof(disk));
    memset(&bios_disks, 0, sizeof(bios_disks));
    memset(&bios_monitor, 0, sizeof(bios_monitor));
    nr_disks = highest_asked = 0;
    ddc_report = ddc_read = 0x4f;
    return 0;
}

static const struct fake_disk good = {true, true, true, true, 30, 0xaa55};

static void test_good_disk(void **state)
{
    nr_disks = 1;
    disk[0] = good;
    bios_disks_read(true, true);
    assert_int_equal(bios_disks.nr_disks, 1);
    assert_int_equal(bios_disks.disk[0].device, 0x80);
    assert_int_equal(bios_disks.disk[0].version, 0x30);
    assert_int_equal(bios_disks.disk[0].interface, 7);
    assert_int_equal(bios_disks.disk[0].max_cylinder, 0x3fe);
    assert_int_equal(bios_disks.disk[0].max_head, 0xfe);
    assert_int_equal(bios_disks.disk[0].sectors_per_track, 5);
    assert_int_equal(bios_disks.disk[0].params_length, 30);
    assert_int_equal(bios_disks.disk[0].params[29], 0xab);
    assert_int_equal(bios_disks.disk[0].params[30], 0);
    assert_int_equal(bios_disks.nr_signatures, 1);
    assert_int_equal(bios_disks.signature[0].device, 0x80);
    assert_int_equal(bios_disks.signature[0].signature, 0x11223344);
}

/* Each failure leaves out what it is about, and no more. */
static void test_failures(void **state)
{
    for (unsigned int i = 0; i < 7; i++)
        disk[i] = good;
    nr_disks = 7;
    disk[0].extensions = false;
    disk[1].geometry = false;
    disk[2].params = false;
    disk[3].readable = false;
    disk[4].magic = 0xaa56;
    disk[5].length = 0xffff;
    disk[6].length = 0;
    bios_disks_read(true, true);
    assert_int_equal(bios_disks.nr_disks, 6);
    for (unsigned int i = 0; i < 6; i++)
        assert_int_equal(bios_disks.disk[i].device, 0x81 + i);
    assert_int_equal(bios_disks.disk[0].max_cylinder, 0);
    assert_int_equal(bios_disks.disk[0].params_length, 30);
    assert_int_equal(bios_disks.disk[1].params_length, 0);
    assert_int_equal(bios_disks.disk[4].params_length, EDD_PARAMS_SIZE);
    assert_int_equal(bios_disks.disk[5].params_length, 0);
    assert_int_equal(bios_disks.nr_signatures, 5);
    assert_int_equal(bios_disks.signature[3].device, 0x85);
}

static void test_limits(void **state)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(disk); i++)
        disk[i] = good;
    nr_disks = 200;
    bios_disks_read(true, true);
    assert_int_equal(bios_disks.nr_disks, BIOS_DISKS_MAX);
    assert_int_equal(bios_disks.nr_signatures, BIOS_SIGNATURES_MAX);
    assert_int_equal(highest_asked, 0x8f);
    reset(NULL);
    disk[0] = good;
    nr_disks = 1;
    bios_disks_read(true, false);
    assert_int_equal(bios_disks.nr_disks, 1);
    assert_int_equal(bios_disks.nr_signatures, 0);
    reset(NULL);
    disk[0] = good;
    nr_disks = 1;
    bios_disks_read(false, true);
    assert_int_equal(bios_disks.nr_disks, 0);
    assert_int_equal(bios_disks.nr_signatures, 1);
}

static void test_monitor(void **state)
{
    bios_monitor_read();
    assert_true(bios_monitor.has_edid);
    assert_int_equal(bios_monitor.capabilities, 3);
    assert_int_equal(bios_monitor.transfer_time, 2);
    assert_int_equal(bios_monitor.edid[EDID_SIZE - 1], 0x77);
    reset(NULL);
    ddc_read = 0x14f; /* failed */
    bios_monitor_read();
    assert_int_equal(bios_monitor.capabilities, 3);
    assert_false(bios_monitor.has_edid);
    reset(NULL);
    ddc_report = 0x4f15; /* not supported */
    bios_monitor_read();
    assert_int_equal(bios_monitor.capabilities, 0);
    assert_false(bios_monitor.has_edid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_good_disk, reset),
        cmocka_unit_test_setup(test_failures, reset),
        cmocka_unit_test_setup(test_limits, reset),
        cmocka_unit_test_setup(test_monitor, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
