/* unit: hv/cpu/spec_ctrl.c hv/mm/l1tf.c hv/boot/cmdline.c hv/boot/xen_options.c hv/lib/parse.c
 * hv/lib/string.c tests/unit/stubs/printk.c */
#include <unit.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <boot/cmdline.h>
#include <cpu/control.h>
#include <cpu/features.h>
#include <cpu/mitigate.h>
#include <cpu/spec_ctrl.h>
#include <mm/validate.h>
#include <mm/xpti.h>
#include <stubs/printk.h>

struct cpu_features host_cpu;
uint64_t host_cr4;
bool l1tf_dom0, l1tf_domu, xpti_dom0, xpti_domu;
static struct cpu_info cpu_info;
static uint32_t patched;

struct cpu_info *get_cpu_info(void)
{
    return &cpu_info;
}

void mitigate_patch(uint32_t flags)
{
    patched = flags;
}

void mitigate_fill_return_stack(void)
{
}

/* What a boot with these options came to. */
static struct result {
    uint32_t patched;
    bool dom0, domu, ibpb, l1tf_dom0, l1tf_domu, pge, ibrs;
    char messages[4096];
} * result;

static void set(enum cpu_feature f)
{
    host_cpu.words[f / 32] |= 1u << f % 32;
}

/* Options keep their values for the life of the program: each boot has one of its own. */
static void boot(const char *line)
{
    pid_t child = fork();
    int status;

    assert_int_not_equal(child, -1);
    if (!child) {
        clear_messages();
        host_cr4 = CR4_PGE;
        cmdline_parse(line, false);
        l1tf_init();
        spec_ctrl_init();
        *result = (struct result){patched,   xpti_dom0,          xpti_domu, spec_ibpb, l1tf_dom0,
                                  l1tf_domu, host_cr4 & CR4_PGE, false,     ""};
        strncpy(result->messages, messages, sizeof(result->messages) - 1);
        clear_messages();
        spec_ctrl_report();
        result->ibrs = strstr(messages, "IBRS on") != NULL;
        _exit(message_lines() == 1 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static int amd(void **state)
{
    memset(&host_cpu, 0, sizeof(host_cpu));
    host_cpu.vendor = VENDOR_AMD;
    host_cpu.family = 0x19;
    set(X86_FEATURE_SMEP);
    return 0;
}

/* A CPU of 2016: everything is open. */
static int skylake(void **state)
{
    amd(state);
    host_cpu.vendor = VENDOR_INTEL;
    host_cpu.family = 6;
    host_cpu.model = 0x5e;
    return 0;
}

static void test_nothing_needed(void **state)
{
    boot("");
    assert_int_equal(result->patched, 0);
    assert_false(result->dom0 || result->domu || result->ibpb || result->ibrs || result->l1tf_domu);
    assert_true(result->pge);
    assert_string_equal(result->messages, "");
}

static void test_all_needed(void **state)
{
    boot("");
    assert_int_equal(result->patched, MIT_XPTI);
    assert_true(result->dom0 && result->domu && result->l1tf_domu);
    assert_false(result->l1tf_dom0 || result->ibpb || result->pge);
    set(X86_FEATURE_MD_CLEAR);
    set(X86_FEATURE_IBRSB);
    boot("");
    assert_int_equal(result->patched, MIT_XPTI | MIT_VERW);
    assert_true(result->ibpb);
    assert_false(result->ibrs);
    host_cpu.words[X86_FEATURE_SMEP / 32] &= ~(1u << X86_FEATURE_SMEP % 32);
    boot("");
    assert_int_equal(result->patched, MIT_XPTI | MIT_VERW | MIT_RSB);
}

static void test_fixed_in_hardware(void **state)
{
    set(X86_FEATURE_MD_CLEAR);
    set(X86_FEATURE_RDCL_NO);
    set(X86_FEATURE_MDS_NO);
    boot("");
    assert_int_equal(result->patched, 0);
    assert_false(result->l1tf_domu);
    set(X86_FEATURE_RTM); /* open to TAA */
    boot("");
    assert_int_equal(result->patched, MIT_VERW);
    set(X86_FEATURE_TAA_NO);
    boot("");
    assert_int_equal(result->patched, 0);
    set(X86_FEATURE_FB_CLEAR); /* open to MMIO stale data */
    boot("");
    assert_int_equal(result->patched, MIT_VERW);
    set(X86_FEATURE_EIBRS);
    boot("");
    assert_false(result->ibrs); /* no such MSR is announced */
    set(X86_FEATURE_IBRSB);
    boot("");
    assert_true(result->ibrs);
}

/* What needs no CPU flag can be forced; what is an MSR that the CPU does not announce, cannot. */
static void test_forced(void **state)
{
    boot("xpti spec-ctrl=rsb,verw pv-l1tf=true");
    assert_int_equal(result->patched, MIT_XPTI | MIT_VERW | MIT_RSB);
    assert_true(result->dom0 && result->domu && result->l1tf_dom0 && result->l1tf_domu);
    assert_false(result->pge);
    assert_string_equal(result->messages, "");
    boot("spec-ctrl=ibpb,ibrs");
    assert_false(result->ibpb || result->ibrs);
    assert_non_null(strstr(result->messages, "spec-ctrl=ibpb: this CPU has no such feature, not used"));
    assert_non_null(strstr(result->messages, "spec-ctrl=ibrs: this CPU"));
    set(X86_FEATURE_IBPB);
    set(X86_FEATURE_AUTO_IBRS);
    boot("spec-ctrl=no-ibpb");
    assert_false(result->ibpb);
    assert_true(result->ibrs);
}

static void test_values(void **state)
{
    static const struct {
        const char *line;
        uint32_t patched;
        bool dom0, domu;
    } cases[] = {
        {"xpti=dom0", MIT_XPTI, true, false},
        {"xpti=no-dom0,domu=1", MIT_XPTI, false, true},
        {"xpti=true,dom0=false", MIT_XPTI, false, true},
        {"xpti=1 xpti=default", 0, false, false},
        {"no-xpti", 0, false, false},
        {"spec-ctrl=md-clear", MIT_VERW, false, false},
        {"spec-ctrl=rsb=pv=1,md-clear=no-hvm", MIT_RSB, false, false},
        {"spec-ctrl=pv", MIT_RSB | MIT_VERW, false, false},
        {"spec-ctrl=pv,no-rsb", MIT_VERW, false, false},
        {"spec-ctrl=no xpti=1", MIT_XPTI, true, true},
        {"xpti=1 spec-ctrl=no", MIT_XPTI, true, true},
        {"spec-ctrl=bti-thunk=retpoline,ssbd=no,no-hvm,msr-sc,gds-mit=0", 0, false, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        boot(cases[i].line);
        assert_string_equal(result->messages, "");
        assert_int_equal(result->patched, cases[i].patched);
        assert_int_equal(result->dom0, cases[i].dom0);
        assert_int_equal(result->domu, cases[i].domu);
    }
}

static void test_off(void **state)
{
    set(X86_FEATURE_MD_CLEAR);
    set(X86_FEATURE_IBRSB);
    boot("spec-ctrl=no-xen");
    assert_int_equal(result->patched, 0);
    assert_false(result->dom0 || result->domu || result->ibpb || result->l1tf_domu);
}

static void test_bad(void **state)
{
    static const char *const lines[] = {"spec-ctrl=yes", "spec-ctrl=sometimes", "spec-ctrl=rsb=often",
                                        "xpti=dom1",     "xpti=dom0=x",         "pv-l1tf=maybe"};

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        boot(lines[i]);
        assert_non_null(strstr(result->messages, "bad value"));
        assert_int_equal(result->patched, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nothing_needed, amd),
        cmocka_unit_test_setup(test_all_needed, skylake),
        cmocka_unit_test_setup(test_fixed_in_hardware, skylake),
        cmocka_unit_test_setup(test_forced, amd),
        cmocka_unit_test_setup(test_values, amd),
        cmocka_unit_test_setup(test_off, skylake),
        cmocka_unit_test_setup(test_bad, amd),
    };

    result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
