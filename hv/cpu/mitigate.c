#include <base/compiler.h>
#include <cpu/mitigate.h>
#include <lib/string.h>

#define JMP_REL32 0xe9

struct mitigate_site {
    int32_t site, stub; /* relative to their own addresses */
};

extern const struct mitigate_site __start_mitigate_sites[], __stop_mitigate_sites[];
extern uint32_t mitigate_flags; /* in the entry code's pages */

/* The jump is written over the first bytes of a whole instruction, behind which the stub comes back. */
void __init mitigate_patch(uint32_t flags)
{
    if (!flags)
        return;
    mitigate_flags = flags;
    for (const struct mitigate_site *s = __start_mitigate_sites; s < __stop_mitigate_sites; s++) {
        char *site = (char *)&s->site + s->site;
        int32_t distance = (int32_t)((const char *)&s->stub + s->stub - (site + 5));

        *site = (char)JMP_REL32;
        memcpy(site + 1, &distance, sizeof(distance));
    }
}
