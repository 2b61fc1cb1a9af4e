#include <lib/string.h>
#include <pv/traps.h>
#include <xen/xen.h>

/*
 * One stub of 32 bytes per hypercall. The kernel calls it; RCX and R11 are
 * saved because SYSCALL overwrites them. HYPERVISOR_iret does not come back
 * and leaves what struct iret_context begins with: RAX, R11, RCX.
 */
static const uint8_t stub[] = {
    0x51,                /* push %rcx */
    0x41, 0x53,          /* push %r11 */
    0xb8, 0,    0, 0, 0, /* mov $nr, %eax */
    0x0f, 0x05,          /* syscall */
    0x41, 0x5b,          /* pop %r11 */
    0x59,                /* pop %rcx */
    0xc3,                /* ret */
};
static const uint8_t iret_stub[] = {
    0x51, 0x41,
    0x53, 0x50, /* push %rcx; push %r11; push %rax */
    0xb8, __HYPERVISOR_iret,
    0,    0,
    0,    0x0f,
    0x05,
};

void pv_fill_hypercall_page(void *page)
{
    uint8_t *p = page;

    memset(page, 0xcc, 4096);
    for (uint8_t nr = 0; nr < 4096 / 32; nr++, p += 32) {
        if (nr == __HYPERVISOR_iret) {
            memcpy(p, iret_stub, sizeof(iret_stub));
            continue;
        }
        memcpy(p, stub, sizeof(stub));
        p[4] = nr;
    }
}
