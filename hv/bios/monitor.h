/* The monitor's description of itself: VESA BIOS Extensions/Display Data Channel standard 1.1 (INT 10h,
 * 4F15h). */
#ifndef BIOS_MONITOR_H
#define BIOS_MONITOR_H

#include <base/types.h>

#define EDID_SIZE 128

struct bios_monitor {
    uint8_t capabilities;  /* bits 0 and 1: DDC1, DDC2; 0: the BIOS cannot ask the monitor */
    uint8_t transfer_time; /* seconds for one block */
    bool has_edid;
    uint8_t edid[EDID_SIZE];
};

extern struct bios_monitor bios_monitor;

/* After bios_call_init(). */
void bios_monitor_read(void);

#endif
