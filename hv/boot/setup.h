/* The order in which the machine comes up. */
#ifndef BOOT_SETUP_H
#define BOOT_SETUP_H

#include <base/compiler.h>

/* First C code, boot CPU: from head.S, on the boot stack and boot tables. */
void boot_start(void) __noreturn;

#endif
