"""dom0 on many kinds of machine: firmware, board, disk, network card, CPUs, memory."""

import hashlib
import re

import pytest

from machine import DISK, HYPERVISOR, INITRD_STOCK, LOGS, VMLINUX, VMLINUZ
from test_devices import IMAGE
from test_dom0 import HOST
from test_grub import make_iso

ON_XEN = "xen" in HYPERVISOR.name
MEBIBYTE = 1 << 20

# Only warnings and errors of the VMM's, so that every line but these is one.
HV_ARGS = "console=com1 com1=115200,8n1 loglvl=warning guest_loglvl=warning"
EXPECTED = re.compile(r"\(HV\) (Hospes |Console input goes to|audit of|Speculation: |Command line: |$)")

# The devices that make a disk, and the name that dom0 gives it.
DISKS = {
    "virtio": (["virtio-blk-pci,drive=disk"], "vda"),
    "ahci": (["ich9-ahci,id=ahci", "ide-hd,drive=disk,bus=ahci.0"], "sda"),
    "nvme": (["nvme,drive=disk,serial=1"], "nvme0n1"),
    "ide": (["ide-hd,drive=disk"], "sda"),
}
CARDS = {"virtio": ("virtio-net-pci", "virtio_net"), "e1000": ("e1000", "e1000"), "e1000e": ("e1000e", "e1000e")}

# Firmware (direct: QEMU loads the VMM itself), board, disk, card, CPUs, memory in MiB.
COMBINATIONS = [
    ("direct", "q35", "nvme", "e1000e", 4, 4096),
    ("direct", "pc", "virtio", "virtio", 1, 512),
    ("bios", "pc", "ahci", "e1000", 2, 1024),
    ("efi", "q35", "virtio", "e1000e", 2, 1024),
    ("efi", "pc", "nvme", "virtio", 1, 4096),
    ("direct", "q35", "ahci", "virtio", 8, 4096),
    ("bios", "q35", "nvme", "e1000", 1, 16384),
    ("direct", "pc", "ide", "e1000", 4, 1024),
    ("efi", "q35", "ahci", "e1000", 4, 4096),
    ("direct", "q35", "virtio", "e1000", 1, 1024),
    ("direct", "pc", "nvme", "e1000e", 2, 512),
    ("bios", "pc", "virtio", "e1000e", 8, 16384),
    ("direct", "q35", "ahci", "e1000e", 1, 512),
    ("efi", "pc", "ahci", "e1000e", 2, 16384),
    ("direct", "pc", "virtio", "e1000", 8, 1024),
    ("bios", "q35", "virtio", "virtio", 4, 1024),
    ("direct", "q35", "nvme", "virtio", 2, 16384),
    ("efi", "q35", "nvme", "e1000", 8, 4096),
    ("direct", "pc", "ahci", "virtio", 4, 4096),
    ("bios", "pc", "ide", "virtio", 1, 1024),
]


def name_of(case):
    firmware, board, disk, card, cpus, mem = case
    return f"{firmware}-{board}-{disk}-{card}-{cpus}cpu-{mem}M"


def options_for(disk, card):
    options = ["-drive", IMAGE]
    for device in DISKS[disk][0]:
        options += ["-device", device]
    return options + ["-netdev", "user,id=net0", "-device", f"{CARDS[card][0]},netdev=net0,romfile="]


def boot(start, firmware, board, disk, card, cpus, mem):
    """A shell as first program on the real disk, from Debian's own initial RAM disk."""
    args = f"root=/dev/{DISKS[disk][1]} ro console=hvc0 init=/bin/bash"
    # All of a large machine would be cleared for dom0, which takes long.
    hv_args = HV_ARGS + (" dom0_mem=2G" if mem > 8192 else "")
    settings = {"cpus": cpus, "mem": f"{mem}M", "board": board, "options": options_for(disk, card)}
    if firmware == "direct":
        return start(kernel=VMLINUX, initrd=INITRD_STOCK, args=args, hv_args=hv_args, **settings)
    iso = make_iso("platform", KERNEL=str(VMLINUZ), INITRD=str(INITRD_STOCK), KERNEL_ARGS=args, HV_ARGS=hv_args)
    return start(firmware=firmware, iso=iso, **settings)


def check_memory(machine, mem):
    total = int(re.search(r"MemTotal:\s+(\d+) kB", machine.read_file("/proc/meminfo")).group(1)) / 1024
    given = 2048 if mem > 8192 else mem
    assert given - 200 < total + given / 6 and total < given
    # dom0's view of the machine: its RAM adds up, with none at the screen and BIOS below 1 MiB, nor in the hole below
    # 4 GiB that devices have.
    entries = machine.run("cd /sys/firmware/memmap; for i in *; do echo $(cat $i/start $i/end) $(cat $i/type); done")
    ram = [(int(start, 16), int(end, 16) + 1) for start, end, kind in
           (line.split(" ", 2) for line in entries.splitlines()) if kind == "System RAM"]
    assert mem - 16 <= sum(end - start for start, end in ram) / MEBIBYTE <= mem
    assert not [r for r in ram if r[0] < 0x100000 and r[1] > 0xA0000]
    assert not [r for r in ram if r[0] < 1 << 32 and r[1] > 0xFE000000]
    assert (max(end for _, end in ram) > 1 << 32) == (mem >= 4096)


def check(machine, disk, card, cpus, mem):
    machine.wait_for(r"root@[^ ]*# ", 400, "shell prompt")
    machine.send("stty -echo; PS1=''; bind 'set enable-bracketed-paste off'\n")
    machine.run("mount -t proc proc /proc; mount -t sysfs sys /sys; dmesg -n 1")
    assert machine.run("nproc") == str(cpus)
    check_memory(machine, mem)
    with open(DISK, "rb") as image:
        image.seek(1000 * MEBIBYTE)
        expected = hashlib.sha256(image.read(8 * MEBIBYTE)).hexdigest()
    read = f"dd if=/dev/{DISKS[disk][1]} bs=64k skip=16000 count=128 iflag=direct 2>/dev/null | sha256sum"
    assert machine.run(read, 120).split()[0] == expected
    machine.run(f"modprobe {CARDS[card][1]}", 60)
    machine.run("for i in $(seq 40); do n=$(ls /sys/class/net | grep -v lo) && break; sleep 0.5; done; "
                "ip link set $n up; ip addr add 10.0.2.15/24 dev $n", 60)
    machine.run(f"for i in $(seq 30); do ping -c 1 -W 2 {HOST} && break; sleep 0.5; done > /dev/null", 120)
    assert "3 received" in machine.run(f"ping -c 3 -i 0.2 -W 5 {HOST}", 60)
    if not ON_XEN:
        machine.audit_by_key()
        warnings = [line for line in machine.vmm_lines() if not EXPECTED.search(line)]
        assert not warnings, warnings
    machine.stop()
    machine.check_log()


@pytest.mark.parametrize("case", COMBINATIONS[:1], ids=name_of)
def test_platform(start, case):
    check(boot(start, *case), *case[2:])


@pytest.mark.soak
def test_twenty_boots_in_a_row(start):
    failed = {}
    for case in COMBINATIONS:
        try:
            check(boot(start, *case), *case[2:])
        except AssertionError as error:
            failed[name_of(case)] = str(error)[-3000:]
    (LOGS / "platform.iso").unlink(missing_ok=True)
    assert not failed, "\n".join(f"{name}: {what}" for name, what in failed.items())
