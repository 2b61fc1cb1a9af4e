#include <base/spinlock.h>
#include <console/keyhandler.h>
#include <console/printk.h>
#include <cpu/percpu.h>
#include <lib/ctype.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <time/lockup.h>

static DEFINE_SPINLOCK(keyhandler_lock, LOCK_KEYHANDLER);

static struct {
    keyhandler_fn *fn;
    const char *desc;
} keys[128];

/* Lines of the handler that runs on this CPU: handlers are not preempted. */
static DEFINE_PER_CPU(uint32_t, lines);

void key_printk(const char *fmt, ...)
{
    char text[PRINTK_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (this_cpu(lines) < KEY_LINES)
        printk("%s", text);
    if (strchr(text, '\n'))
        this_cpu(lines)++;
}

void register_keyhandler(char key, keyhandler_fn *fn, const char *desc)
{
    bool refused = true;

    spin_lock(&keyhandler_lock);
    if (is_print(key) && key != 'h' && !keys[(unsigned char)key].fn) {
        keys[(unsigned char)key].desc = desc;
        keys[(unsigned char)key].fn = fn;
        refused = false;
    }
    spin_unlock(&keyhandler_lock);

    if (refused)
        printk_err("Debug key '%c' (%s) cannot be registered\n", key, desc);
}

static void show_help(void)
{
    printk("Debug keys:\n");
    printk(" key 'h': show this help\n");
    for (int key = 0; key < 128; key++)
        if (keys[key].fn)
            printk(" key '%c': %s\n", key, keys[key].desc);
}

void handle_keypress(char key)
{
    keyhandler_fn *fn;

    if (key == 'h') {
        show_help();
        return;
    }
    if (!is_print(key))
        return;

    /* Handlers are never removed: calling one needs no lock. */
    spin_lock(&keyhandler_lock);
    fn = keys[(unsigned char)key].fn;
    spin_unlock(&keyhandler_lock);
    if (!fn)
        return;
    this_cpu(lines) = 0;
    lockup_pause(); /* the line may be slow */
    fn(key);
    lockup_resume();
    if (this_cpu(lines) > KEY_LINES)
        printk("... and %u lines more\n", this_cpu(lines) - KEY_LINES);
}
