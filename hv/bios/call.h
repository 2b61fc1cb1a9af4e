/*
 * Interrupts of a PC's BIOS (IBM PC/AT technical reference; Ralf Brown's list), at boot, by CPU 0 alone and
 * before any interrupt controller is touched. What is asked of it stands in disks.c and monitor.c.
 */
#ifndef BIOS_CALL_H
#define BIOS_CALL_H

#include <base/types.h>

#define BIOS_CARRY 1u /* in eflags: the usual sign of failure */

/* Layout known to bios/call.S. */
struct bios_registers {
    uint32_t eax, ebx, ecx, edx, esi, edi, eflags;
    uint16_t ds, es;
};

#define BIOS_BUFFER_SIZE 4096

/* After memory_init(). False if there is no conventional memory to work in; nothing below may then be called.
 */
bool bios_call_init(void);
/* Runs an interrupt with these registers, and gives what it left in them. Interrupts are on inside. */
void bios_call(uint8_t vector, struct bios_registers *r);
/* Memory that the BIOS can write to, zeroed; *segment: its address in real mode, with offset 0. The same each
 * time. */
void *bios_buffer(uint16_t *segment);
/* A byte of the BIOS data area, which begins at 40:0; after memory_init(). */
uint8_t bios_data(uint8_t offset);

#endif
