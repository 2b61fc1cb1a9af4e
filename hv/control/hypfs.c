/*
 * HYPERVISOR_hypfs_op (<xen/hypfs.h>): a small tree of what tools read of the
 * hypervisor and may change while it runs. Directories are tables made at
 * compile time; a file's contents are made when it is read.
 */
#include <base/compiler.h>
#include <base/errno.h>
#include <console/printk.h>
#include <control/control_lock.h>
#include <control/hypercall.h>
#include <control/version.h>
#include <lib/string.h>
#include <mm/guest_access.h>
#include <xen/hypfs.h>

#define MAX_CONTENT    64u  /* bytes of a file */
#define MAX_DIRECTORY  256u /* bytes of a listing */
#define MAX_GRAN_WRITE 8u

struct node {
    const char *name;
    uint8_t type;      /* XEN_HYPFS_TYPE_* */
    uint8_t nr;        /* of a directory: its entries */
    uint8_t max_write; /* bytes, the final zero included; 0: read-only */
    bool guests;       /* of a threshold: for what guests cause */
    const char *text;  /* a constant string, or */
    uint32_t number;   /* a constant number, or */
    const struct node *entries;
    void (*get)(const struct node *n, char text[MAX_CONTENT]);
    int (*set)(const struct node *n, const char *text);
};

static void get_threshold(const struct node *n, char text[MAX_CONTENT])
{
    printk_threshold_get(n->guests, text, MAX_CONTENT);
}

static int set_threshold(const struct node *n, const char *text)
{
    return printk_threshold_set(n->guests, text);
}

/* Each CPU is scheduled by itself; a pool with domains in it could not change that anyway. */
static int set_granularity(const struct node *n, const char *text)
{
    return strcmp(text, "cpu") == 0 || strcmp(text, "core") == 0 || strcmp(text, "socket") == 0 ? -EBUSY
                                                                                                : -EINVAL;
}

#define STRING(n, t)                                                                                         \
    {                                                                                                        \
        .name = (n), .type = XEN_HYPFS_TYPE_STRING, .text = (t)                                              \
    }
#define NUMBER(n, v)                                                                                         \
    {                                                                                                        \
        .name = (n), .type = XEN_HYPFS_TYPE_UINT, .number = (v)                                              \
    }
#define DIRECTORY(n, e)                                                                                      \
    {                                                                                                        \
        .name = (n), .type = XEN_HYPFS_TYPE_DIR, .nr = ARRAY_SIZE(e), .entries = (e)                         \
    }

static const struct node compileinfo[] = {
    STRING("compile_by", VERSION_COMPILE_BY),
    STRING("compile_date", ""),
    STRING("compile_domain", ""),
    STRING("compiler", VERSION_COMPILER),
};

static const struct node version[] = {
    STRING("extra", VERSION_EXTRA),
    NUMBER("major", VERSION_NUMBER >> 16),
    NUMBER("minor", VERSION_NUMBER & 0xffff),
};

static const struct node buildinfo[] = {
    STRING("changeset", ""),
    DIRECTORY("compileinfo", compileinfo),
    DIRECTORY("version", version),
};

static const struct node pool[] = {
    {.name = "sched-gran",
     .type = XEN_HYPFS_TYPE_STRING,
     .max_write = MAX_GRAN_WRITE,
     .text = "cpu",
     .set = set_granularity},
};

static const struct node cpupool[] = {DIRECTORY("0", pool)};

static const struct node params[] = {
    {.name = "guest_loglvl",
     .type = XEN_HYPFS_TYPE_STRING,
     .max_write = PRINTK_THRESHOLD_MAX,
     .guests = true,
     .get = get_threshold,
     .set = set_threshold},
    {.name = "loglvl",
     .type = XEN_HYPFS_TYPE_STRING,
     .max_write = PRINTK_THRESHOLD_MAX,
     .get = get_threshold,
     .set = set_threshold},
};

static const struct node top[] = {
    DIRECTORY("buildinfo", buildinfo),
    DIRECTORY("cpupool", cpupool),
    DIRECTORY("params", params),
};

static const struct node root = DIRECTORY("", top);

static const struct node *find_entry(const struct node *dir, const char *name, size_t len)
{
    for (uint32_t i = 0; i < dir->nr; i++)
        if (strlen(dir->entries[i].name) == len && strncmp(dir->entries[i].name, name, len) == 0)
            return &dir->entries[i];
    return NULL;
}

/* The path begins with a slash; one at its end changes nothing. */
static const struct node *find(const char *path)
{
    const struct node *n = &root;

    for (path++; n && *path;) {
        size_t len = 0;

        while (path[len] && path[len] != '/')
            len++;
        n = find_entry(n, path, len);
        path += len + (path[len] == '/');
    }
    return n;
}

static int node_of_path(uint64_t gva, uint64_t len, const struct node **n)
{
    static char path[XEN_HYPFS_MAX_PATHLEN]; /* LOCK_DOMCTL */

    if (!len || len > sizeof(path))
        return -EINVAL;
    if (copy_from_guest(path, gva, len))
        return -EFAULT;
    if (path[0] != '/' || strnlen(path, len) != len - 1)
        return -EINVAL;
    *n = find(path);
    return *n ? 0 : -ENOENT;
}

/* Makes the contents of a file in data; their length. */
static uint32_t make_content(const struct node *n, char data[MAX_CONTENT])
{
    if (n->type == XEN_HYPFS_TYPE_UINT) {
        memcpy(data, &n->number, sizeof(n->number));
        return sizeof(n->number);
    }
    if (n->get)
        n->get(n, data);
    else
        strlcpy(data, n->text, MAX_CONTENT);
    return strlen(data) + 1;
}

static struct xen_hypfs_direntry describe(const struct node *n, uint32_t content_len)
{
    return (struct xen_hypfs_direntry){
        .type = n->type, .content_len = content_len, .max_write_len = n->max_write};
}

static uint32_t make_listing(const struct node *dir, char data[MAX_DIRECTORY])
{
    uint32_t used = 0;

    memset(data, 0, MAX_DIRECTORY);
    for (uint32_t i = 0; i < dir->nr; i++) {
        const struct node *n = &dir->entries[i];
        uint32_t size = (uint32_t)(offsetof(struct xen_hypfs_dirlistentry, name) + strlen(n->name) + 1);
        struct xen_hypfs_dirlistentry *e = (struct xen_hypfs_dirlistentry *)(data + used);
        char content[MAX_CONTENT];

        size = (uint32_t)ROUND_UP(size, __alignof__(*e));
        if (used + size > MAX_DIRECTORY)
            break;
        e->e = describe(n, n->type == XEN_HYPFS_TYPE_DIR ? 0 : make_content(n, content));
        e->off_next = i + 1 < dir->nr ? (uint16_t)size : 0;
        strlcpy(e->name, n->name, strlen(n->name) + 1);
        used += size;
    }
    return used;
}

static int read_node(const struct node *n, uint64_t gva, uint64_t size)
{
    static char data[MAX_DIRECTORY] __aligned(8); /* LOCK_DOMCTL */
    struct xen_hypfs_direntry head;

    if (size < sizeof(head))
        return -EINVAL;
    head = describe(n, n->type == XEN_HYPFS_TYPE_DIR ? make_listing(n, data) : make_content(n, data));
    if (copy_to_guest(gva, &head, sizeof(head)))
        return -EFAULT;
    if (size < sizeof(head) + head.content_len)
        return -ENOBUFS;
    return copy_to_guest(gva + sizeof(head), data, head.content_len);
}

static int write_node(const struct node *n, uint64_t gva, uint64_t size)
{
    char text[MAX_CONTENT];

    if (!n->max_write)
        return -EACCES;
    if (size > n->max_write)
        return -EINVAL;
    if (copy_from_guest(text, gva, size))
        return -EFAULT;
    if (!size || strnlen(text, size) != size - 1)
        return -EDOM;
    return n->set(n, text);
}

static long with_node(const struct hypercall_args *args)
{
    const struct node *n;
    int rc = node_of_path(args->a[1], args->a[2], &n);

    if (rc)
        return rc;
    switch ((uint32_t)args->a[0]) {
    case XEN_HYPFS_OP_read:
        return read_node(n, args->a[3], args->a[4]);
    case XEN_HYPFS_OP_write_contents:
        return write_node(n, args->a[3], args->a[4]);
    default:
        return -EOPNOTSUPP;
    }
}

long hc_hypfs_op(struct hypercall_args *args)
{
    long rc;

    if ((uint32_t)args->a[0] == XEN_HYPFS_OP_get_version)
        return args->a[1] | args->a[2] | args->a[3] | args->a[4] ? -EINVAL : XEN_HYPFS_VERSION;
    if (!control_lock())
        return -ERESTART;
    rc = with_node(args);
    control_unlock();
    return rc;
}
