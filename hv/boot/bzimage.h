/* Linux's bzImage: Linux's Documentation/x86/boot.rst ("The Linux/x86 Boot Protocol"). */
#ifndef BOOT_BZIMAGE_H
#define BOOT_BZIMAGE_H

#include <base/types.h>

/* Is it a bzImage at all? (Untrusted, any length.) */
bool bzimage_detect(const void *image, size_t size);

/*
 * Finds the packed kernel inside: *@payload points into @image.  -ENOEXEC with *@why set to a
 * constant text if there is none or it does not lie within the image.
 */
int bzimage_payload(const void *image, size_t size, const void **payload, size_t *len, const char **why);

#endif
