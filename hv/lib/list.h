/*
 * Doubly linked circular lists, with the links inside the objects.
 *
 * A struct list_node is either a list's head, which links to itself while the list is empty, or a
 * member.  A member that is on no list must be initialized by list_init() (or removed by
 * list_remove(), which initializes it again) so that list_is_empty() tells whether it is linked.
 */
#ifndef LIB_LIST_H
#define LIB_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_node {
    struct list_node *next, *prev;
};

#define LIST_INIT(name)                                                                                      \
    {                                                                                                        \
        &(name), &(name)                                                                                     \
    }

/* The object of @type whose field @member is at @node. */
#define list_entry(node, type, member)                                                                       \
    ((type *)((char *)(1 ? (node) : &((type *)0)->member) - offsetof(type, member)))

static inline void list_init(struct list_node *node)
{
    node->next = node->prev = node;
}

static inline bool list_is_empty(const struct list_node *head)
{
    return head->next == head;
}

static inline void list_insert_between(struct list_node *node, struct list_node *prev, struct list_node *next)
{
    node->prev = prev;
    node->next = next;
    prev->next = node;
    next->prev = node;
}

/* Also inserts @node before or after another member, given in place of the head. */
static inline void list_add_head(struct list_node *head, struct list_node *node)
{
    list_insert_between(node, head, head->next);
}

static inline void list_add_tail(struct list_node *head, struct list_node *node)
{
    list_insert_between(node, head->prev, head);
}

/* Harmless on an initialized node that is on no list. */
static inline void list_remove(struct list_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* Moves everything on @from to the end of @to; @from is empty afterwards. */
static inline void list_splice_tail(struct list_node *to, struct list_node *from)
{
    if (list_is_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define list_first(head, type, member) list_entry((head)->next, type, member)
#define list_last(head, type, member)  list_entry((head)->prev, type, member)
#define list_next(pos, member)         list_entry((pos)->member.next, __typeof__(*(pos)), member)

/* The body must not remove @pos from the list; the _safe form allows that, with @tmp as scratch. */
#define list_for_each(pos, head, member)                                                                     \
    for ((pos) = list_first(head, __typeof__(*(pos)), member); &(pos)->member != (head);                     \
         (pos) = list_next(pos, member))

#define list_for_each_safe(pos, tmp, head, member)                                                           \
    for ((pos) = list_first(head, __typeof__(*(pos)), member), (tmp) = list_next(pos, member);               \
         &(pos)->member != (head); (pos) = (tmp), (tmp) = list_next(tmp, member))

#endif
