/* Numbers of model-specific registers and their bits: SDM vol 4, APM vol 2 appendix A. */
#ifndef CPU_MSR_H
#define CPU_MSR_H

#include <base/compiler.h>

#define MSR_P5_MC_ADDR            0x00000000
#define MSR_P5_MC_TYPE            0x00000001
#define MSR_TSC                   0x00000010
#define MSR_PLATFORM_ID           0x00000017
#define MSR_APIC_BASE             0x0000001b
#define MSR_FEATURE_CONTROL       0x0000003a
#define MSR_TSC_ADJUST            0x0000003b
#define MSR_SPEC_CTRL             0x00000048
#define MSR_PRED_CMD              0x00000049
#define MSR_PPIN_CTL              0x0000004e
#define MSR_PPIN                  0x0000004f
#define MSR_UCODE_WRITE           0x00000079
#define MSR_UCODE_REV             0x0000008b
#define MSR_PLATFORM_INFO         0x000000ce
#define MSR_MTRR_CAP              0x000000fe
#define MSR_ARCH_CAPABILITIES     0x0000010a
#define MSR_FLUSH_CMD             0x0000010b
#define MSR_TSX_CTRL              0x00000122
#define MSR_MISC_FEATURES_ENABLES 0x00000140
#define MSR_SYSENTER_CS           0x00000174
#define MSR_SYSENTER_ESP          0x00000175
#define MSR_SYSENTER_EIP          0x00000176
#define MSR_MCG_CAP               0x00000179
#define MSR_MCG_STATUS            0x0000017a
#define MSR_MCG_CTL               0x0000017b
#define MSR_PERF_STATUS           0x00000198
#define MSR_THERM_STATUS          0x0000019c
#define MSR_MISC_ENABLE           0x000001a0
#define MSR_DEBUGCTL              0x000001d9
#define MSR_MTRR_PHYSBASE0        0x00000200
#define MSR_MTRR_PHYSMASK_LAST    0x0000021f
#define MSR_MTRR_FIX64K           0x00000250
#define MSR_MTRR_FIX4K_LAST       0x0000026f
#define MSR_PAT                   0x00000277
#define MSR_MTRR_DEF_TYPE         0x000002ff
#define MSR_MC0_CTL2              0x00000280
#define MSR_MC31_CTL2             0x0000029f
#define MSR_MC0_CTL               0x00000400
#define MSR_MC31_MISC             0x0000047f
#define MSR_X2APIC_FIRST          0x00000800
#define MSR_X2APIC_LAST           0x000008ff
#define MSR_XSS                   0x00000da0

#define MSR_EFER           0xc0000080
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_CSTAR          0xc0000083
#define MSR_SYSCALL_MASK   0xc0000084
#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_TSC_AUX        0xc0000103

#define MSR_K8_SYSCFG          0xc0010010
#define MSR_K8_HWCR            0xc0010015
#define MSR_K8_IORR_FIRST      0xc0010016
#define MSR_K8_TOP_MEM2        0xc001001d
#define MSR_K8_TSC_RATIO       0xc0000104
#define MSR_K8_PSTATE_LIMIT    0xc0010061
#define MSR_K8_PSTATE_CTRL     0xc0010062
#define MSR_K8_PSTATE_STATUS   0xc0010063
#define MSR_K8_PSTATE0         0xc0010064
#define MSR_K8_PSTATE7         0xc001006b
#define MSR_K8_VM_CR           0xc0010114
#define MSR_K8_VM_HSAVE_PA     0xc0010117
#define MSR_AMD64_NB_CFG       0xc001001f
#define MSR_AMD64_PATCH_LOADER 0xc0010020
#define MSR_AMD64_DE_CFG       0xc0011029
#define MSR_FAM10H_MMIO_CONF   0xc0010058

#define EFER_SCE    BIT(0)
#define EFER_LME    BIT(8)
#define EFER_LMA    BIT(10)
#define EFER_NX     BIT(11)
#define EFER_AIBRSE BIT(21)

#define SPEC_CTRL_IBRS BIT(0)
#define PRED_CMD_IBPB  BIT(0)

#define DE_CFG_LFENCE_SERIALIZE      BIT(1)
#define HWCR_TSC_FREQ_SEL            BIT(24)
#define HWCR_CPUID_USER_DIS          BIT(35)
#define MISC_ENABLE_BTS_UNAVAIL      BIT(11)
#define MISC_ENABLE_PEBS_UNAVAIL     BIT(12)
#define MISC_ENABLE_XTPR_DISABLE     BIT(23)
#define MISC_FEATURES_CPUID_FAULTING BIT(0)
#define PLATFORM_INFO_CPUID_FAULTING BIT(31)

#define DEBUGCTL_LBR BIT(0)
#define DEBUGCTL_BTF BIT(1)

#define APIC_BASE_BSP    BIT(8)
#define APIC_BASE_X2APIC BIT(10)
#define APIC_BASE_ENABLE BIT(11)

#endif
