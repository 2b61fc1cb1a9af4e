/* The hypervisor's file system: what there is, how it is read and written, and what is refused. */
#include "common/hypercall.h"
#include "common/lib.h"
#include "common/mm.h"
#include <xen/hypfs.h>

#define UNMAPPED ((void *)0x1000)

static char buffer[8192] __attribute__((aligned(4096)));
static struct xen_hypfs_direntry *const entry = (void *)buffer;

static long hypfs(unsigned int op, const void *path, unsigned long length, void *data, unsigned long size)
{
    return HC5(__HYPERVISOR_hypfs_op, op, path, length, data, size);
}

static long read(const char *path, unsigned long size)
{
    memset(buffer, 0xee, sizeof(buffer));
    return hypfs(XEN_HYPFS_OP_read, path, strlen(path) + 1, buffer, size);
}

static long write(const char *path, const void *data, unsigned long size)
{
    return hypfs(XEN_HYPFS_OP_write_contents, path, strlen(path) + 1, (void *)data, size);
}

static void show(const char *path)
{
    static const char *const kinds[] = {"directory", "blob", "string", "uint", "int", "bool"};
    long ret = read(path, sizeof(buffer));

    if (ret)
        result_errno(path, ret);
    else
        result(path, "%s encoding %u pad %u max %u%s", kinds[entry->type], entry->encoding, entry->pad,
               entry->max_write_len,
               entry->type == XEN_HYPFS_TYPE_STRING && buffer[sizeof(*entry) + entry->content_len - 1]
                   ? ", not ended"
                   : "");
}

static bool listed(const char *path, const char *name)
{
    struct xen_hypfs_dirlistentry *d = (void *)(buffer + sizeof(*entry));
    bool found = false;

    must("read directory", read(path, sizeof(buffer)));
    for (unsigned int i = 0; i < 100; i++) {
        found |= strcmp(d->name, name) == 0;
        if (!d->off_next)
            break;
        d = (void *)((char *)d + d->off_next);
    }
    return found;
}

static void content(const char *name, const char *path)
{
    must("read", read(path, sizeof(buffer)));
    result(name, "%s", buffer + sizeof(*entry));
}

static void test_write(void)
{
    static const char *const values[] = {"error/all",      "all",        "warning",
                                         "none/none",      "info/error", "nonsense",
                                         "error/nonsense", "",           "all/all"};
    static char name[64];

    for (unsigned int i = 0; i < ARRAY_SIZE(values); i++) {
        size_t n = strlen(values[i]);

        memcpy(name, "guest_loglvl ", 13);
        memcpy(name + 13, values[i], n + 1);
        result_errno(name, write("/params/guest_loglvl", values[i], n + 1));
        memcpy(name + 13 + n, ", then", 7);
        content(name, "/params/guest_loglvl");
    }
    result_errno("write, not ended", write("/params/loglvl", "all", 3));
    result_errno("write, ended early", write("/params/loglvl", "al\0l", 5));
    result_errno("write, nothing", write("/params/loglvl", "", 0));
    result_errno("write, too long", write("/params/loglvl", "all                     ", 25));
    result_errno("write, as long as may be", write("/params/loglvl", "warning/warning", 16));
    result_errno("write, bad pointer", write("/params/loglvl", UNMAPPED, 4));
    result_errno("write to a directory", write("/params", "all", 4));
    result_errno("write to the root", write("/", "all", 4));
    result_errno("write to what may not be", write("/buildinfo/version/extra", "x", 2));
    result_errno("write to a number", write("/buildinfo/version/major", "abc", 4));
    result_errno("write to nothing", write("/params/nothing", "x", 2));
    result_errno("granularity cpu", write("/cpupool/0/sched-gran", "cpu", 4));
    result_errno("granularity nonsense", write("/cpupool/0/sched-gran", "x", 2));
    result_errno("loglvl as it was", write("/params/loglvl", "all/all", 8));
}

static void test_read(void)
{
    result_errno("nothing", read("/nothing", 8192));
    result_errno("below nothing", read("/nothing/nothing", 8192));
    result_errno("below a file", read("/params/loglvl/x", 8192));
    result_errno("without a slash", read("params", 8192));
    result_errno("with a slash at the end", read("/params/", 8192));
    result_errno("with two slashes", read("//params", 8192));
    result_errno("dot", read("/.", 8192));
    result_errno("empty path", read("", 8192));
    result_errno("part of a name", read("/param", 8192));
    result_errno("more than a name", read("/params1", 8192));
    result_errno("path not ended", hypfs(XEN_HYPFS_OP_read, "/params", 7, buffer, 8192));
    result_errno("path ended early", hypfs(XEN_HYPFS_OP_read, "/params\0xx", 10, buffer, 8192));
    result_errno("path of no length", hypfs(XEN_HYPFS_OP_read, "/params", 0, buffer, 8192));
    result_errno("path too long", hypfs(XEN_HYPFS_OP_read, "/params", 1025, buffer, 8192));
    result_errno("path, bad pointer", hypfs(XEN_HYPFS_OP_read, UNMAPPED, 8, buffer, 8192));
    result_errno("data, bad pointer", hypfs(XEN_HYPFS_OP_read, "/params", 8, UNMAPPED, 8192));
    result_errno("data, null", hypfs(XEN_HYPFS_OP_read, "/params", 8, NULL, 8192));
    result("no room", "%e", read("/buildinfo/version/major", 0));
    result("room for the head", "%e", read("/buildinfo/version/major", 12));
    result("room for the head, told", "length %u type %u", entry->content_len, entry->type);
    result("room for a byte less", "%e", read("/buildinfo/version/major", 15));
    must("read", read("/buildinfo/version/major", 16));
    result("major", "%u", *(uint32_t *)(void *)(buffer + 12));
    must("read", read("/buildinfo/version/minor", 16));
    result("minor", "%u", *(uint32_t *)(void *)(buffer + 12));
    content("extra", "/buildinfo/version/extra");
    content("granularity", "/cpupool/0/sched-gran");
    content("loglvl", "/params/loglvl");
    result("root", "%d %d %d %d", listed("/", "buildinfo"), listed("/", "cpupool"), listed("/", "params"),
           listed("/", "x"));
    result("buildinfo", "%d %d %d", listed("/buildinfo", "changeset"), listed("/buildinfo", "compileinfo"),
           listed("/buildinfo", "version"));
    result("cpupool", "%d %d", listed("/cpupool", "0"), listed("/cpupool", "1"));
    result("params", "%d %d", listed("/params", "loglvl"), listed("/params", "guest_loglvl"));
}

void guest_main(void)
{
    static const char *const paths[] = {"/",
                                        "/buildinfo",
                                        "/buildinfo/changeset",
                                        "/buildinfo/compileinfo",
                                        "/buildinfo/compileinfo/compile_by",
                                        "/buildinfo/compileinfo/compile_date",
                                        "/buildinfo/compileinfo/compile_domain",
                                        "/buildinfo/compileinfo/compiler",
                                        "/buildinfo/version",
                                        "/buildinfo/version/extra",
                                        "/buildinfo/version/major",
                                        "/buildinfo/version/minor",
                                        "/cpupool",
                                        "/cpupool/0",
                                        "/cpupool/1",
                                        "/cpupool/00",
                                        "/cpupool/0/sched-gran",
                                        "/params",
                                        "/params/loglvl",
                                        "/params/guest_loglvl"};

    result("version", "%ld", hypfs(XEN_HYPFS_OP_get_version, 0, 0, 0, 0));
    result_errno("version with arguments", hypfs(XEN_HYPFS_OP_get_version, "/", 2, 0, 0));
    result_errno("operation 3", hypfs(3, "/", 2, buffer, 100));
    for (unsigned int i = 0; i < ARRAY_SIZE(paths); i++)
        show(paths[i]);
    test_read();
    test_write();
}
