/*
 * Grant entries in use. A domain takes an entry back by clearing its flags
 * unless it is in use, which we tell it in GTF_reading and GTF_writing
 * (<xen/grant_table.h>, "invalidating an unused entry"):
 *
 *   version 1: both sides change the word of flags and domain number by compare
 *   and exchange, so either we see the entry gone or it sees it in use;
 *
 *   version 2: the two bits are in the status array, which only we write:
 *
 *     we                           the granting domain
 *     status |= reading            flags = 0
 *     full barrier                 full barrier
 *     look at flags again          look at status
 *
 *   and at least one of the two sees what the other did.
 */
#include <base/atomic.h>
#include <domain/domain.h>
#include <grant/table.h>

/* How often an entry that the guest keeps changing is tried. */
#define MAX_TRIES 8

/* Flags and domain number in one load, as they lie in memory. */
static uint32_t header_word(const grant_entry_header_t *h)
{
    return READ_ONCE(*(const uint32_t *)h);
}

static uint16_t word_flags(uint32_t word)
{
    return (uint16_t)word;
}

static bool entry_allows(uint32_t word, domid_t user, bool readonly, bool copy)
{
    uint16_t flags = word_flags(word), type = flags & GTF_type_mask;

    if (word >> 16 != user || (!readonly && (flags & GTF_readonly)))
        return false;
    if (type == GTF_transitive)
        return copy;
    return type == GTF_permit_access && (copy || !(flags & GTF_sub_page));
}

static uint16_t use_bits(bool readonly)
{
    return readonly ? GTF_reading : GTF_reading | GTF_writing;
}

/* The bits that the counts no longer justify. */
static uint16_t unused_bits(const struct active_grant *act)
{
    if (act->writers)
        return 0;
    return act->readers ? GTF_writing : GTF_reading | GTF_writing;
}

static bool mark_v1(grant_entry_v1_t *e, domid_t user, bool readonly)
{
    uint32_t *word = (uint32_t *)e, w = READ_ONCE(*word);

    for (unsigned int i = 0; i < MAX_TRIES; i++) {
        uint32_t seen;

        /* These two exist in version 2 only. */
        if (!entry_allows(w, user, readonly, false))
            return false;
        seen = cmpxchg(word, w, w | use_bits(readonly));
        if (seen == w)
            return true;
        w = seen;
    }
    return false;
}

/* *word: flags and domain number by which it was allowed. */
static bool mark_v2(const struct grant_table *gt, struct grant_pin *pin, struct active_grant *act,
                    domid_t user, bool copy, uint32_t *word)
{
    grant_entry_v2_t *e = grant_v2(gt, pin->ref);
    grant_status_t *status = grant_status(gt, pin->ref);

    if (!entry_allows(header_word(&e->hdr), user, pin->readonly, copy))
        return false;
    atomic_or(status, use_bits(pin->readonly)); /* a full barrier */
    *word = header_word(&e->hdr);
    if (entry_allows(*word, user, pin->readonly, copy))
        return true;
    atomic_and(status, (grant_status_t)~unused_bits(act));
    return false;
}

static void unmark(const struct grant_table *gt, grant_ref_t ref, const struct active_grant *act)
{
    uint16_t *bits = gt->version == 2 ? grant_status(gt, ref) : &grant_v1(gt, ref)->flags;

    atomic_and(bits, (uint16_t)~unused_bits(act));
}

/*
 * What the entry grants. It is marked, but the guest may write to it all the same: each part is read once,
 * and of which kind it is say the flags that mark_v2() saw.
 */
static bool read_v2(const struct grant_table *gt, struct grant_pin *pin, uint16_t flags)
{
    const grant_entry_v2_t *e = grant_v2(gt, pin->ref);

    if ((flags & GTF_type_mask) == GTF_transitive) {
        pin->next = grant_find_domain(READ_ONCE(e->transitive.trans_domid));
        pin->next_ref = READ_ONCE(e->transitive.gref);
        return pin->next != NULL;
    }
    pin->mfn = _mfn(READ_ONCE(e->full_page.frame));
    if (flags & GTF_sub_page) {
        pin->offset = READ_ONCE(e->sub_page.page_off);
        pin->length = READ_ONCE(e->sub_page.length);
        return pin->length && pin->offset + pin->length <= PAGE_SIZE;
    }
    return true;
}

static void count(struct active_grant *act, bool readonly, int step)
{
    if (readonly)
        act->readers += (uint32_t)step;
    else
        act->writers += (uint32_t)step;
}

/* The entry's stripe lock. */
static int16_t pin_locked(struct grant_pin *pin, domid_t user, bool copy)
{
    const struct grant_table *gt = pin->d->grant;
    struct active_grant *act;
    uint32_t word = 0;
    bool in_use, ok;

    if (pin->ref >= grant_entries(gt))
        return GNTST_bad_gntref;
    act = grant_active(gt, pin->ref);
    in_use = act->readers || act->writers;
    if (in_use && act->domid != user)
        return GNTST_general_error;
    if (act->readers + act->writers > INT32_MAX)
        return GNTST_no_space;
    if (gt->version == 2)
        ok = mark_v2(gt, pin, act, user, copy, &word);
    else
        ok = mark_v1(grant_v1(gt, pin->ref), user, pin->readonly);
    if (!ok)
        return GNTST_general_error;

    if (gt->version == 2)
        ok = read_v2(gt, pin, word_flags(word));
    else
        pin->mfn = _mfn(READ_ONCE(grant_v1(gt, pin->ref)->frame));
    /* A plain entry in use stays what it was when it began to be, whatever the guest writes. */
    if (ok && in_use && !pin->next && !pin->length)
        pin->mfn = act->mfn;
    if (!ok) {
        unmark(gt, pin->ref, act);
        return GNTST_general_error;
    }
    if (!in_use) {
        act->domid = user;
        act->mfn = pin->mfn;
    }
    count(act, pin->readonly, 1);
    return GNTST_okay;
}

void grant_unpin_entry(struct domain *d, grant_ref_t ref, bool readonly)
{
    struct grant_table *gt = d->grant;
    struct active_grant *act;

    spin_lock(grant_stripe(gt, ref));
    act = grant_active(gt, ref);
    count(act, readonly, -1);
    unmark(gt, ref, act);
    spin_unlock(grant_stripe(gt, ref));
}

/* The entry that a transitive one names must be a plain grant to the domain that passes it on. */
static int16_t pin_next(struct grant_pin *pin)
{
    struct grant_pin next;
    int16_t status;

    status = grant_pin(&next, pin->next, pin->next_ref, pin->d->id, pin->readonly, false);
    pin->mfn = next.mfn;
    return status;
}

int16_t grant_pin(struct grant_pin *pin, struct domain *d, grant_ref_t ref, domid_t user, bool readonly,
                  bool copy)
{
    spinlock_t *lock = grant_stripe(d->grant, ref);
    int16_t status;

    *pin = (struct grant_pin){.d = d, .ref = ref, .readonly = readonly};
    spin_lock(lock);
    status = pin_locked(pin, user, copy);
    spin_unlock(lock);
    if (status || likely(!pin->next))
        return status;
    status = pin_next(pin);
    if (status) {
        grant_unpin_entry(d, ref, readonly);
        domain_put(pin->next);
    }
    return status;
}

void grant_unpin(struct grant_pin *pin)
{
    if (unlikely(pin->next)) {
        grant_unpin_entry(pin->next, pin->next_ref, pin->readonly);
        domain_put(pin->next);
    }
    grant_unpin_entry(pin->d, pin->ref, pin->readonly);
}
