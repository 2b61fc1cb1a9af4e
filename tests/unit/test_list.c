/* unit: */
#include <lib/list.h>
#include <unit.h>

struct item {
    int value;
    struct list_node link;
};

/* The values on the list as decimal digits, forwards; checks that backwards agrees. */
static int contents(struct list_node *head)
{
    int forwards = 0, scale = 1, backwards = 0;
    struct item *item;

    list_for_each(item, head, link) forwards = forwards * 10 + item->value;
    for (struct list_node *node = head->prev; node != head; node = node->prev) {
        backwards += list_entry(node, struct item, link)->value * scale;
        scale *= 10;
    }
    assert_int_equal(forwards, backwards);
    return forwards;
}

static void test_add_remove(void **state)
{
    struct list_node head = LIST_INIT(head);
    struct item items[4];

    (void)state;
    assert_true(list_is_empty(&head));
    assert_int_equal(contents(&head), 0);
    for (int i = 0; i < 4; i++) {
        items[i].value = i + 1;
        list_init(&items[i].link);
    }
    list_add_tail(&head, &items[1].link);
    list_add_head(&head, &items[0].link);
    list_add_tail(&head, &items[3].link);
    list_add_tail(&items[3].link, &items[2].link);
    assert_int_equal(contents(&head), 1234);
    assert_int_equal(list_first(&head, struct item, link)->value, 1);
    assert_int_equal(list_last(&head, struct item, link)->value, 4);

    list_remove(&items[2].link);
    assert_true(list_is_empty(&items[2].link));
    list_remove(&items[2].link);
    assert_int_equal(contents(&head), 124);
}

static void test_remove_while_walking(void **state)
{
    struct list_node head = LIST_INIT(head);
    struct item items[5], *item, *tmp;

    (void)state;
    for (int i = 0; i < 5; i++) {
        items[i].value = i + 1;
        list_add_tail(&head, &items[i].link);
    }
    list_for_each_safe(item, tmp, &head, link) if (item->value % 2) list_remove(&item->link);
    assert_int_equal(contents(&head), 24);
}

static void test_splice(void **state)
{
    struct list_node a = LIST_INIT(a), b = LIST_INIT(b);
    struct item items[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        items[i].value = i + 1;
        list_add_tail(i < 2 ? &a : &b, &items[i].link);
    }
    list_splice_tail(&a, &b);
    assert_int_equal(contents(&a), 1234);
    assert_true(list_is_empty(&b));
    list_splice_tail(&a, &b);
    assert_int_equal(contents(&a), 1234);
    list_splice_tail(&b, &a);
    assert_int_equal(contents(&b), 1234);
    assert_true(list_is_empty(&a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add_remove),
        cmocka_unit_test(test_remove_while_walking),
        cmocka_unit_test(test_splice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
