#include <base/types.h>
#include <base/compiler.h>
#include <cpu/features.h>
#include <cpu/smap.h>
#include <lib/string.h>

struct smap_patch {
    int32_t where; /* relative to its own address */
    uint32_t is_clac;
};

extern const struct smap_patch __start_smap_patch[], __stop_smap_patch[];

void __init smap_patch_init(void)
{
    static const uint8_t stac[3] = {0x0f, 0x01, 0xcb}, clac[3] = {0x0f, 0x01, 0xca};

    if (!cpu_has(SMAP))
        return;
    for (const struct smap_patch *p = __start_smap_patch; p < __stop_smap_patch; p++)
        memcpy((char *)&p->where + p->where, p->is_clac ? clac : stac, sizeof(stac));
}
