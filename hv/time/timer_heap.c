/*
 * Node i of a complete binary tree (root 1) has the children 2i and 2i+1, so
 * the bits of i below its top bit tell the way from the root: 0 left, 1 right.
 */
#include <base/compiler.h>
#include <time/timer_heap.h>

/* The link that holds (or will hold) node i, and its parent. */
static struct timer **link_of(struct timer_heap *h, uint32_t i, struct timer **parent)
{
    struct timer **link = &h->root;

    *parent = NULL;
    for (int bit = 30 - __builtin_clz(i); bit >= 0; bit--) {
        *parent = *link;
        link = i >> bit & 1 ? &(*link)->right : &(*link)->left;
    }
    return link;
}

/* The link in t's parent, or the root, that points to t. */
static struct timer **link_to(struct timer_heap *h, const struct timer *t)
{
    if (!t->parent)
        return &h->root;
    return t->parent->left == t ? &t->parent->left : &t->parent->right;
}

/* Puts t in the place of old: its parent and children. */
static void take_place(struct timer_heap *h, struct timer *t, const struct timer *old)
{
    *link_to(h, old) = t;
    t->parent = old->parent;
    t->left = old->left;
    t->right = old->right;
    if (t->left)
        t->left->parent = t;
    if (t->right)
        t->right->parent = t;
}

/* Exchanges t with its parent. */
static void swap_up(struct timer_heap *h, struct timer *t)
{
    struct timer *p = t->parent, *left = t->left, *right = t->right;
    struct timer *sibling = p->left == t ? p->right : p->left;

    *link_to(h, p) = t;
    t->parent = p->parent;
    if (p->left == t) {
        t->left = p;
        t->right = sibling;
    } else {
        t->left = sibling;
        t->right = p;
    }
    if (sibling)
        sibling->parent = t;
    p->parent = t;
    p->left = left;
    p->right = right;
    if (left)
        left->parent = p;
    if (right)
        right->parent = p;
}

static void sift(struct timer_heap *h, struct timer *t)
{
    while (t->parent && t->expires < t->parent->expires)
        swap_up(h, t);
    for (;;) {
        struct timer *least = t->left;

        if (t->right && t->right->expires < least->expires)
            least = t->right;
        if (!least || least->expires >= t->expires)
            return;
        swap_up(h, least);
    }
}

void timer_heap_insert(struct timer_heap *h, struct timer *t)
{
    struct timer **link = link_of(h, ++h->count, &t->parent);

    *link = t;
    t->left = t->right = NULL;
    sift(h, t);
}

void timer_heap_remove(struct timer_heap *h, struct timer *t)
{
    struct timer *parent, **link = link_of(h, h->count--, &parent), *last = *link;

    *link = NULL;
    if (last == t)
        return;
    take_place(h, last, t);
    sift(h, last);
}

struct timer *timer_heap_entry(struct timer_heap *h, uint32_t n)
{
    struct timer *parent;

    return *link_of(h, n + 1, &parent);
}
