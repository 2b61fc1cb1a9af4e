/* The firmware's types, from gnu-efi: kept to hv/efi/, as they define many short names. */
#ifndef EFI_TYPES_H
#define EFI_TYPES_H

#include <base/compiler.h>
#include <base/types.h>

#define GNU_EFI_USE_MS_ABI
#include <efi/efi.h>

#endif
