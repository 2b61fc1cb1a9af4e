/* What this hypervisor calls itself: for xen_version and hypfs. */
#ifndef CONTROL_VERSION_H
#define CONTROL_VERSION_H

/* The interface is that of Xen 4.17, and tools compare this number. */
#define VERSION_NUMBER (4u << 16 | 17)
#define VERSION_EXTRA  ".7"

#define VERSION_COMPILE_BY "hospes"
#ifdef __clang__
#define VERSION_COMPILER "clang " __clang_version__
#else
#define VERSION_COMPILER "gcc " __VERSION__
#endif

#endif
