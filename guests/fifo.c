/* Event channels with the FIFO ABI: set-up and its refusals, order of queues, masks. */
#include "common/event.h"
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include "common/trap.h"

#define CHANNELS 8

static struct evtchn_fifo_control_block *control;
static event_word_t *words;
static uint32_t head[EVTCHN_FIFO_MAX_QUEUES];
static unsigned int tx[CHANNELS], rx[CHANNELS];

static long init_control(uint64_t gfn, uint32_t offset, uint32_t vcpu)
{
    struct evtchn_init_control c = {.control_gfn = gfn, .offset = offset, .vcpu = vcpu};

    return event_op(EVTCHNOP_init_control, &c);
}

static long expand(uint64_t gfn)
{
    struct evtchn_expand_array e = {.array_gfn = gfn};

    return event_op(EVTCHNOP_expand_array, &e);
}

static long priority(unsigned int port, unsigned int prio)
{
    struct evtchn_set_priority p = {.port = port, .priority = prio};

    return event_op(EVTCHNOP_set_priority, &p);
}

static char word_text[8];

static const char *word(unsigned int port)
{
    event_word_t w = *(volatile event_word_t *)&words[port];
    char *t = word_text;

    *t++ = w >> EVTCHN_FIFO_PENDING & 1 ? 'P' : '-';
    *t++ = w >> EVTCHN_FIFO_MASKED & 1 ? 'M' : '-';
    *t++ = w >> EVTCHN_FIFO_LINKED & 1 ? 'L' : '-';
    *t++ = w >> EVTCHN_FIFO_BUSY & 1 ? 'B' : '-';
    *t = 0;
    return word_text;
}

static void test_setup(void)
{
    struct evtchn_init_control c = {.control_gfn = virt_to_mfn(control), .vcpu = 0};
    long ret;

    result_errno("expand before init", expand(virt_to_mfn(words)));
    result_errno("init, frame out of range", init_control(1ul << 40, 0, 0));
    result_errno("init, page table", init_control(virt_to_mfn(kernel_l4), 0, 0));
    result_errno("init, absent vcpu", init_control(virt_to_mfn(control), 0, 7));
    result_errno("init, offset crosses page", init_control(virt_to_mfn(control), 4096 - 64, 0));
    result_errno("init, offset unaligned", init_control(virt_to_mfn(control), 4, 0));
    ret = event_op(EVTCHNOP_init_control, &c);
    result("init", "%e link bits %u", ret, c.link_bits);
    result_errno("init again", init_control(virt_to_mfn(control), 0, 0));
    result_errno("send without array", event_send(tx[0]));
    result_errno("expand, frame out of range", expand(1ul << 40));
    result_errno("expand, page table", expand(virt_to_mfn(kernel_l4)));
    result_errno("expand", expand(virt_to_mfn(words)));
    result_errno("make array unmapped", hc_update_va_mapping((unsigned long)words, 0, UVMF_INVLPG));
    page_make_writable(words);
    result_errno("pin array as a table", mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(words), 0));
}

static void consume_one(unsigned int prio, char *out, unsigned int *n)
{
    unsigned int port = head[prio];
    event_word_t w, old;

    if (!port)
        port = *(volatile uint32_t *)&control->head[prio];
    do {
        old = *(volatile event_word_t *)&words[port];
        w = old & ~((1u << EVTCHN_FIFO_LINKED) | EVTCHN_FIFO_LINK_MASK);
    } while (!__sync_bool_compare_and_swap(&words[port], old, w));
    head[prio] = old & EVTCHN_FIFO_LINK_MASK;
    if (!head[prio])
        __sync_fetch_and_and(&control->ready, ~(1u << prio));
    if ((w >> EVTCHN_FIFO_PENDING & 1) && !(w >> EVTCHN_FIFO_MASKED & 1)) {
        __sync_fetch_and_and(&words[port], ~(1u << EVTCHN_FIFO_PENDING));
        for (char i = 0; i < CHANNELS; i++)
            if (rx[(int)i] == port)
                out[(*n)++] = (char)('a' + i);
    }
}

/* Takes everything in order of priority; the letters are the channels. */
static const char *consume(void)
{
    static char order[64];
    unsigned int n = 0;

    vcpu_info()->evtchn_upcall_pending = 0;
    while (control->ready && n < sizeof(order) - 1)
        consume_one((unsigned int)__builtin_ctz(control->ready), order, &n);
    order[n] = 0;
    return order;
}

static void send_letters(const char *letters)
{
    for (; *letters; letters++)
        event_send(tx[*letters - 'a']);
}

static void test_order(void)
{
    for (unsigned int i = 0; i < CHANNELS; i++)
        event_unmask(rx[i]);
    consume();
    vcpu_info()->evtchn_upcall_pending = 0;
    result("word before", "%s", word(rx[0]));
    send_letters("a");
    result("word after send", "%s ready %x upcall_pending %d sel %lx", word(rx[0]), control->ready,
           vcpu_info()->evtchn_upcall_pending, vcpu_info()->evtchn_pending_sel);
    result("head", "%d", control->head[EVTCHN_FIFO_PRIORITY_DEFAULT] == rx[0]);
    send_letters("a");
    result("taken after two sends", "%s", consume());
    result("word after taking", "%s", word(rx[0]));
    send_letters("cab");
    result("order c a b", "%s", consume());
    send_letters("abcab");
    result("order a b c a b", "%s", consume());
    result_errno("priority 3 of b", priority(rx[1], 3));
    result_errno("priority 15 of c", priority(rx[2], 15));
    result_errno("priority 16", priority(rx[3], 16));
    result_errno("priority of closed", priority(3000, 3));
    result_errno("priority out of range", priority(1u << 20, 3));
    send_letters("cab");
    result("ready of three queues", "%x", control->ready);
    result("order with priorities", "%s", consume());
    priority(rx[1], EVTCHN_FIFO_PRIORITY_DEFAULT);
    send_letters("ba");
    result("order after priority reset", "%s", consume());
    send_letters("ba");
    result("order once more", "%s", consume());
    send_letters("a");
    priority(rx[0], 1);
    send_letters("a");
    result("priority change while linked", "%s", consume());
    send_letters("a");
    result("ready after change", "%x", control->ready);
    result("then", "%s", consume());
}

static void test_masks(void)
{
    __sync_fetch_and_or(&words[rx[3]], 1u << EVTCHN_FIFO_MASKED);
    send_letters("d");
    result("masked send", "%s ready %x", word(rx[3]), control->ready);
    result_errno("unmask operation", event_unmask(rx[3]));
    result("after unmask operation", "%s", word(rx[3]));
    result("taken", "%s", consume());
    __sync_fetch_and_or(&words[rx[3]], 1u << EVTCHN_FIFO_MASKED);
    send_letters("de");
    result("masked and not", "%s", consume());
    event_unmask(rx[3]);
    result("the masked one after", "%s", consume());
    __sync_fetch_and_or(&words[rx[4]], 1u << EVTCHN_FIFO_MASKED);
    result_errno("unmask not pending", event_unmask(rx[4]));
    result("word after unmask", "%s ready %x", word(rx[4]), control->ready);
}

/* Words that the guest has spoilt. */
static void test_hostile(void)
{
    vcpu_info()->evtchn_upcall_pending = 0;
    send_letters("ef");
    words[rx[5]] = ~0u;
    send_letters("gh");
    result("after all ones", "%d", (words[rx[5]] & EVTCHN_FIFO_LINK_MASK) != 0);
    memset(words, 0xff, PAGE_SIZE);
    send_letters("abcdefgh");
    memset(words, 0, PAGE_SIZE);
    memset(control, 0xff, sizeof(*control));
    send_letters("abcdefgh");
    memset(words, 0, PAGE_SIZE);
    memset(control, 0, sizeof(*control));
    memset(head, 0, sizeof(head));
    result("survived", "%d", 1);
}

static void test_upcall(void)
{
    trap_clear();
    event_ignore = true;
    vcpu_info()->evtchn_upcall_pending = 0;
    vcpu_info()->evtchn_upcall_mask = 0;
    event_send(tx[6]);
    vcpu_info()->evtchn_upcall_mask = 1;
    event_ignore = false;
    result("upcall", "%u", trap.count);
}

static void test_many(void)
{
    struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    struct evtchn_reset r = {.dom = DOMID_SELF};
    unsigned int n = 0;
    long ret = 0;

    while (n < 2000 && !(ret = event_op(EVTCHNOP_alloc_unbound, &a)))
        n++;
    result("2000 ports with one array page", "%u then %e", n, ret);
    result_errno("send to port beyond the array", event_send(a.port));
    result_errno("second array page", expand(virt_to_mfn(page_alloc())));
    result_errno("reset", event_op(EVTCHNOP_reset, &r));
    result_errno("alloc after reset", event_op(EVTCHNOP_alloc_unbound, &a));
    result("port after reset", "%u", a.port);
    result_errno("expand after reset", expand(virt_to_mfn(words)));
    result_errno("init after reset", init_control(virt_to_mfn(control), 2048, 0));
    result_errno("expand after init", expand(virt_to_mfn(words)));
}

void guest_main(void)
{
    control = page_alloc();
    words = page_alloc();
    for (unsigned int i = 0; i < CHANNELS; i++) {
        event_pair(&tx[i], &rx[i]);
        event_clear(rx[i]);
    }
    vcpu_info()->evtchn_upcall_pending = 0;
    vcpu_info()->evtchn_pending_sel = 0;
    test_setup();
    test_order();
    test_masks();
    test_upcall();
    test_hostile();
    test_many();
}
