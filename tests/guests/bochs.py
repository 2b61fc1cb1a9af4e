"""Boots a tiny guest in Bochs, for CPUs that QEMU's TCG does not show: PCID, INVPCID, a TSC deadline, SMAP for every access,
compacted XSAVE, processors of AMD's. Slower than QEMU, and without a loader of its own: GRUB starts all."""

import os
import pty
import re
import subprocess
import tty

import boot

# Model of the CPU, the VMM's options.
MACHINES = {
    # Address space tags, INVPCID for single addresses, deadlines of the TSC.
    "pcid": ("corei7_skylake_x", "xpti=0"),
    "pcid-alone": ("corei7_skylake_x", "xpti=0 invpcid=0"),
    # As it comes: page tables split for everybody.
    "skylake": ("corei7_skylake_x", ""),
    "x2apic": ("corei7_skylake_x", "x2apic=1"),
    "icelake": ("corei7_icelake_u", ""),
    "ryzen": ("ryzen", ""),
}
# What `make test` runs; `make soak-guests` runs all guests on all of them.
REPRESENTATIVE = [("mmuext", "pcid"), ("xsave", "skylake")]

# Debian's has its debugger compiled in, which waits for a command before the first instruction. Without a sound card its
# ALSA driver overflows a buffer: none is used.
COMMANDS = "c\n"
CONFIGURATION = """
cpu: model={model}, count={cpus}, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest=512, host=512
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
boot: cdrom
ata0-master: type=cdrom, path={iso}, status=inserted
sound: driver=dummy
com1: enabled=1, mode=term, dev={terminal}
display_library: rfb, options="timeout=0"
log: {log}
clock: sync=none, time0=utc
panic: action=fatal
error: action=ignore
info: action=ignore
"""


# Settings of guests that need a certain machine of QEMU's.
OTHER_MACHINE = {"disks", "firmware", "qemu"}
# It reads a register that an IO-APIC has not, where Bochs ends.
LEFT_OUT = {"hypercalls"}
# They print what the CPU and the board are like (RF in a fault's frame, which CPUs set and TCG does not; a TSC that is
# invariant; level-triggered interrupts), or what the loader passed, and the records are of QEMU's; here they must end well.
ABOUT_THE_MACHINE = {"exceptions", "policy", "privop", "rights", "setters", "start", "tsc", "vcpustate"}


def comparable(name):
    return boot.SETTINGS.get(name, {}).get("image", name).split("-")[0] not in ABOUT_THE_MACHINE


def cases():
    if not os.environ.get("SOAK"):
        return [(name, machine) for name, machine in REPRESENTATIVE if name in boot.names()]
    return [(name, machine) for machine in MACHINES for name in boot.names()
            if not re.match("fuzz-|.*-preempted-", name) and name not in LEFT_OUT and not OTHER_MACHINE & set(boot.SETTINGS.get(name, {}))]


def run(model, hypervisor, name, options):
    """Returns the serial output; `options` are the VMM's, besides the usual ones."""
    results = boot.ROOT / "build" / "results"
    settings = boot.SETTINGS.get(name, {})
    image = boot.ROOT / "build" / "guests" / settings.get("image", name)
    iso = boot.make_iso(hypervisor, f"bochs-{name}", image, f"{settings.get('hv', '')} {options}",
                        settings.get("args", ""))
    master, slave = pty.openpty()
    tty.setraw(slave)
    configuration, commands = results / f"bochs-{name}.rc", results / "bochs-commands"
    configuration.write_text(CONFIGURATION.format(
        model=model, cpus=settings.get("cpus", 1), iso=iso, terminal=os.ttyname(slave), log=results / f"bochs-{name}.log"))
    commands.write_text(COMMANDS)
    with open(results / f"bochs-{name}.err", "wb") as errors:
        process = subprocess.Popen(["bochs", "-q", "-f", configuration, "-rc", commands], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=errors)
    try:
        return boot.converse(process, master, lambda keys: os.write(master, keys), 3 * settings.get("timeout", 120))
    finally:
        os.close(master)
        os.close(slave)
        iso.unlink()
