/* The audit of the running machine: what other parts of the VMM hold, and the debug key. */
#include <console/keyhandler.h>
#include <console/printk.h>
#include <domain/domain.h>
#include <event/channel.h>
#include <grant/grant.h>
#include <grant/table.h>
#include <mm/audit.h>
#include <mm/page.h>

/* A handle holds a general and, if it may write, a type reference (grant/table.h). */
static void grant_source(struct audit *a, struct domain *d)
{
    const struct grant_table *gt = d->grant;

    if (!gt)
        return;
    for (uint32_t handle = 0; handle < gt->nr_maptrack * MAPTRACK_PER_FRAME; handle++) {
        const struct maptrack *mt = maptrack_get(gt, handle);

        if (!(mt->flags & MAPTRACK_KINDS))
            continue;
        if (mt->flags & GNTMAP_readonly)
            audit_held_general(a, mfn_to_page(_mfn(mt->mfn)));
        else
            audit_held(a, mfn_to_page(_mfn(mt->mfn)));
    }
}

static void fifo_source(struct audit *a, struct domain *d)
{
    for (uint32_t i = 0;; i++) {
        const struct page_info *page;

        if (!evtchn_fifo_page(d, i, &page))
            return;
        audit_held(a, page);
    }
}

/* Other vCPUs stand still meanwhile, so that no hypercall of theirs is half done. */
static void pause_others(bool pause)
{
    struct domain *d;
    struct vcpu *v;

    for (uint32_t id = 0; (d = domain_find_next((domid_t)id)) != NULL; id = d->id + 1U, domain_put(d))
        for_each_vcpu (d, v) {
            if (v == current)
                continue;
            if (pause)
                vcpu_pause(v);
            else
                vcpu_unpause(v);
        }
}

static void audit_key(char key)
{
    long differences;

    pause_others(true);
    differences = audit_machine();
    if (differences >= 0)
        differences += grant_audit();
    pause_others(false);
    printk("audit of %lu frames: %ld differences\n", max_page, differences);
}

void __init audit_init(void)
{
    audit_register(grant_source);
    audit_register(fifo_source);
    register_keyhandler('M', audit_key, "audit all page references");
}
