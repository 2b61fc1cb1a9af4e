#include <base/compiler.h>
#include <cpu/insn.h>
#include <irq/pic.h>
#include <pv/ioport.h>

#define PIC1_CMD       0x20
#define PIC1_DATA      0x21
#define PIC2_CMD       0xa0
#define PIC2_DATA      0xa1
#define ICW1_INIT_ICW4 0x11
#define ICW4_8086      0x01
/* A spurious interrupt of a fully masked PIC is still possible: below VECTOR_FIRST_DYNAMIC. */
#define PIC_FIRST_VECTOR 0x20

void __init pic_disable(void)
{
    outb(PIC1_DATA, 0xff);
    outb(PIC2_DATA, 0xff);
    outb(PIC1_CMD, ICW1_INIT_ICW4);
    outb(PIC1_DATA, PIC_FIRST_VECTOR);
    outb(PIC1_DATA, 1 << 2); /* the second one is at line 2 */
    outb(PIC1_DATA, ICW4_8086);
    outb(PIC2_CMD, ICW1_INIT_ICW4);
    outb(PIC2_DATA, PIC_FIRST_VECTOR + 8);
    outb(PIC2_DATA, 2);
    outb(PIC2_DATA, ICW4_8086);
    outb(PIC1_DATA, 0xff);
    outb(PIC2_DATA, 0xff);
    ioport_deny(PIC1_CMD, PIC1_DATA);
    ioport_deny(PIC2_CMD, PIC2_DATA);
}
