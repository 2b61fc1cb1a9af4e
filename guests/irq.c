/* Interrupts of the machine in dom0: the real-time clock's line, from the IO-APIC to an event and back by
 * EOI. */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"
#include <xen/physdev.h>

#define RTC_GSI 8
/* MC146818: index and data ports, registers A to C, the periodic interrupt's enable bit. */
#define RTC_INDEX 0x70
#define RTC_DATA  0x71
#define RTC_PIE   0x40

static unsigned int port;

static void outb(uint16_t where, uint8_t value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "d"(where));
}

static uint8_t inb(uint16_t where)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "d"(where));
    return value;
}

static uint8_t rtc_read(uint8_t reg)
{
    outb(RTC_INDEX, reg);
    return inb(RTC_DATA);
}

static void rtc_write(uint8_t reg, uint8_t value)
{
    outb(RTC_INDEX, reg);
    outb(RTC_DATA, value);
}

static long physdev(unsigned int cmd, void *arg)
{
    return HC2(__HYPERVISOR_physdev_op, cmd, arg);
}

static long bind(unsigned int pirq)
{
    struct evtchn_bind_pirq b = {.pirq = pirq};
    long ret = event_op(EVTCHNOP_bind_pirq, &b);

    port = b.port;
    return ret;
}

static void eoi(void)
{
    struct physdev_eoi e = {.irq = RTC_GSI};

    must("eoi", physdev(PHYSDEVOP_eoi, &e));
}

static void test_bind(void)
{
    struct physdev_map_pirq map = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = RTC_GSI, .pirq = RTC_GSI};
    struct physdev_irq_status_query q = {.irq = RTC_GSI};
    struct physdev_irq vector = {.irq = RTC_GSI};
    struct evtchn_status s = {.dom = DOMID_SELF};

    result_errno("bind before map", bind(RTC_GSI));
    result_errno("map", physdev(PHYSDEVOP_map_pirq, &map));
    result("mapped to", "%d", map.pirq);
    result_errno("alloc vector", physdev(PHYSDEVOP_alloc_irq_vector, &vector));
    result_errno("bind", bind(RTC_GSI));
    s.port = port;
    result_errno("status", event_op(EVTCHNOP_status, &s));
    result("status of pirq port", "%u pirq %u vcpu %u", s.status, s.u.pirq, s.vcpu);
    {
        unsigned int first = port;

        result_errno("bind again", bind(RTC_GSI));
        port = first;
    }
    result_errno("query", physdev(PHYSDEVOP_irq_status_query, &q));
    result("needs eoi", "%u", q.flags);
    result_errno("send on a pirq port", event_send(port));
}

static void wait_for(unsigned int events)
{
    uint64_t end = system_time() + 5000000000ul;

    while (event_count[port] < events && system_time() < end)
        event_force();
}

static void on_event(unsigned int which)
{
    if (which != port)
        return;
    rtc_read(0xc); /* the clock's own acknowledgement */
    eoi();
}

static void test_delivery(void)
{
    uint8_t a = rtc_read(0xa), b = rtc_read(0xb);
    unsigned int count;

    event_hook = on_event;
    rtc_read(0xc);
    event_unmask(port);
    vcpu_info()->evtchn_upcall_mask = 0;
    rtc_write(0xa, (uint8_t)((a & 0xf0) | 10)); /* 64 Hz */
    rtc_write(0xb, b | RTC_PIE);
    wait_for(5);
    result("five interrupts came", "%d", event_count[port] >= 5);
    rtc_write(0xb, (uint8_t)(b & ~RTC_PIE));
    rtc_read(0xc);
    delay_ns(50000000);
    count = event_count[port];
    delay_ns(100000000);
    result("none after the clock was told to stop", "%u", event_count[port] - count);
    /* Masked: at most one is pending, and comes when unmasked. */
    event_mask_bit(port);
    rtc_write(0xb, b | RTC_PIE);
    delay_ns(100000000);
    result("while masked", "%u events, pending %d", event_count[port] - count, event_pending(port));
    rtc_write(0xb, (uint8_t)(b & ~RTC_PIE));
    event_unmask(port);
    delay_ns(50000000);
    result("after unmask at least one", "%d", event_count[port] > count);
    rtc_write(0xa, a);
    vcpu_info()->evtchn_upcall_mask = 1;
}

static void test_unbind(void)
{
    struct physdev_unmap_pirq unmap = {.domid = DOMID_SELF, .pirq = RTC_GSI};
    struct physdev_eoi e = {.irq = RTC_GSI};

    result_errno("close", event_close(port));
    result_errno("eoi after close", physdev(PHYSDEVOP_eoi, &e));
    result_errno("bind after close", bind(RTC_GSI));
    result_errno("close again", event_close(port));
    result_errno("unmap", physdev(PHYSDEVOP_unmap_pirq, &unmap));
    result_errno("unmap again", physdev(PHYSDEVOP_unmap_pirq, &unmap));
    result_errno("bind after unmap", bind(RTC_GSI));
}

void guest_main(void)
{
    struct physdev_set_iopl iopl = {.iopl = 1};

    physdev(PHYSDEVOP_set_iopl, &iopl);
    test_bind();
    test_delivery();
    test_unbind();
}
