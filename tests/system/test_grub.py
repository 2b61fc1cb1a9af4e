"""The machine boots as a PC does: firmware, GRUB, the hypervisor from an image with Debian's menu entries."""

import os
import re
import subprocess

import pytest

from machine import BUILD, DISK, HV_ARGS, HYPERVISOR, INITRD_TINY, LOGS, ROOT, VMLINUZ
from test_bad_input import refusal

ON_XEN = "xen" in HYPERVISOR.name
EFI_GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"


def make_iso(name, **settings):
    """An image for one test, from the entries of host/mkiso; its one entry starts at once."""
    path = LOGS / f"{name}.iso"
    LOGS.mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"], "BUILD": str(BUILD), "HYPERVISOR": str(HYPERVISOR), "KERNEL": str(VMLINUZ),
        "INITRD": str(INITRD_TINY), "HV_ARGS": HV_ARGS, "KERNEL_ARGS": "console=hvc0", "ONLY": "shell",
        "MENU_TIMEOUT": "0",
    }
    environment.update(settings)
    subprocess.run([str(ROOT / "host/mkiso"), str(path)], check=True, env=environment, cwd=str(ROOT))
    return path


@pytest.fixture(scope="module")
def iso():
    path = make_iso("grub")
    yield path
    path.unlink()


def check_common(machine, gibibytes, cpus):
    assert machine.read_file("/sys/hypervisor/type") == "xen"
    assert machine.run("nproc") == str(cpus)
    total = int(re.search(r"MemTotal:\s+(\d+) kB", machine.read_file("/proc/meminfo")).group(1))
    assert 0.70 * gibibytes < total / (1 << 20) < gibibytes
    assert machine.read_file("/proc/cmdline").endswith("console=hvc0")
    assert not [line for line in machine.vmm_lines() if "unknown option" in line]


def check_efi(machine):
    """What dom0 knows of the firmware comes through the hypervisor."""
    assert machine.run("ls -d /sys/firmware/efi") == "/sys/firmware/efi"
    log = machine.run("dmesg")
    assert re.search(r"efi: EFI v2\.\d+ by ", log)
    assert re.search(r"efi: .*ACPI 2\.0=0x", log)
    assert re.search(r"ACPI: RSDP 0x", log)
    machine.run("modprobe efivarfs")
    machine.run("mount -t efivarfs efivarfs /sys/firmware/efi/efivars")
    names = machine.run("ls /sys/firmware/efi/efivars").split()
    assert f"BootCurrent-{EFI_GLOBAL}" in names and f"BootOrder-{EFI_GLOBAL}" in names
    # Four bytes of attributes, here "kept for run time", and the number of the entry that was started.
    value = machine.run(f"hexdump -C /sys/firmware/efi/efivars/BootCurrent-{EFI_GLOBAL} | head -n 1").split()
    assert value[1:5] == ["06", "00", "00", "00"] and len(value[5:7]) == 2


def check_variables(machine):
    """Variables are made, read, changed and deleted."""
    path = f"/sys/firmware/efi/efivars/BootNext-{EFI_GLOBAL}"
    for number in ("1", "2"):
        machine.run(f"printf '\\007\\0\\0\\0\\{number}\\0' > {path}")
        assert machine.run(f"hexdump -C {path} | head -n 1").split()[1:7] == ["07", "00", "00", "00", f"0{number}", "00"]
    machine.run(f"rm {path}")
    assert machine.run(f"ls {path}", check=False)[0] != 0
    path = "/sys/firmware/efi/efivars/HospesTest-6d1f4f5e-91a2-4f1e-8f8e-0123456789ab"
    machine.run(f"printf '\\007\\0\\0\\0%01000d' 7 > {path}")
    assert machine.run(f"tail -c +5 {path} | wc -c") == "1000"


@pytest.mark.parametrize("firmware, board, cpus, mem", [
    ("bios", "pc", 1, 2),
    ("efi", "q35", 2, 2),
    pytest.param("bios", "q35", 2, 6, marks=pytest.mark.soak),
    pytest.param("efi", "pc", 1, 1, marks=pytest.mark.soak),
    pytest.param("efi", "q35", 4, 6, marks=pytest.mark.soak),
])
def test_shell(start, iso, firmware, board, cpus, mem):
    machine = start(iso=iso, firmware=firmware, board=board, cpus=cpus, mem=f"{mem}G")
    machine.wait_for_shell(240)
    check_common(machine, mem, cpus)
    if firmware == "efi":
        check_efi(machine)
        check_variables(machine)
    else:
        assert machine.run("ls -d /sys/firmware/efi", check=False)[0] != 0


@pytest.mark.soak
@pytest.mark.skipif(ON_XEN, reason="needs the symbols of ours")
def test_firmware_fault(start, iso, tmp_path):
    """A service of the firmware's that leads into the void costs dom0 the services, and nobody anything else."""
    socket = tmp_path / "gdb"
    machine = start(iso=iso, firmware="efi", options=[
        "-chardev", f"socket,id=gdb,path={socket},server=on,wait=off", "-gdb", "chardev:gdb"])
    machine.wait_for_shell(240)
    machine.run("modprobe efivarfs; mount -t efivarfs efivarfs /sys/firmware/efi/efivars")
    path = f"/sys/firmware/efi/efivars/BootOrder-{EFI_GLOBAL}"
    machine.run(f"cat {path} > /dev/null")
    subprocess.run(["gdb", "-nx", "-batch", str(BUILD / "hospes-syms"), "-ex", f"target remote {socket}",
                    "-ex", "set variable 'hv/efi/runtime.c'::service[EFI_GetVariable] = 0x5000"],
                   check=True, stdout=subprocess.DEVNULL, timeout=60)
    for _ in range(3):
        assert machine.run(f"cat {path} > /dev/null 2>&1", check=False)[0] != 0
    assert machine.run("echo alive") == "alive"
    lines = [line for line in machine.vmm_lines() if "firmware's" in line]
    assert len(lines) == 1 and "page fault in the firmware's GetVariable at 0x5000" in lines[0]


@pytest.mark.soak
@pytest.mark.parametrize("firmware", ["bios", "efi"])
def test_debian(start, firmware):
    """The image as make iso makes it: its first entry is the whole of Debian from its disk."""
    path = make_iso("grub-debian", ONLY="", MENU_DEFAULT="0")
    machine = start(iso=path, firmware=firmware, board="q35", cpus=2, disk=DISK, net="")
    machine.wait_for_shell(400)
    assert machine.run("findmnt -no SOURCE /") == "/dev/vda"
    assert machine.run("systemctl is-system-running --wait", 300) == "running"
    assert machine.run("ls -d /sys/firmware/efi", check=False)[0] == (0 if firmware == "efi" else 2)
    if firmware == "efi":
        assert "efivarfs" in machine.run("findmnt -no FSTYPE /sys/firmware/efi/efivars")


@pytest.mark.soak
def test_multiboot1(start):
    """GRUB's older protocol, with the same entries."""
    path = make_iso("grub-multiboot1", PROTOCOL="multiboot")
    machine = start(iso=path)
    machine.wait_for_shell(240)
    check_common(machine, 2, 1)


@pytest.mark.soak
@pytest.mark.parametrize("firmware, line", [
    ("bios", "Console: colour VGA+ 80x25"), ("efi", "fb0: EFI VGA frame buffer device"),
])
def test_screen(start, iso, firmware, line):
    """dom0 takes over the screen as GRUB left it: text, or EFI's frame buffer."""
    machine = start(iso=iso, firmware=firmware, options=["-vga", "std"])
    machine.wait_for_shell(240)
    assert line in machine.run("dmesg | grep -E 'fb0:|Console:'")


@pytest.mark.soak
def test_text_screen(start):
    """Without a loader that speaks of screens, the BIOS's own mode counts."""
    machine = start(options=["-vga", "std"])
    machine.wait_for_shell()
    assert "colour VGA+ 80x25" in machine.run("dmesg | grep Console:")


@pytest.mark.soak
@pytest.mark.parametrize("command", ["poweroff", "reboot"])
def test_end(start, iso, command):
    """The machine ends by what EFI firmware's tables say of it."""
    machine = start(iso=iso, firmware="efi", board="q35")
    machine.wait_for_shell(240)
    machine.send(f"{command} -f\n")
    machine.wait_for_exit()


@pytest.mark.parametrize("firmware", ["bios", pytest.param("efi", marks=pytest.mark.soak)])
def test_no_module(start, firmware):
    path = make_iso("grub-no-module", KERNEL="none", INITRD="none")
    refusal(start(iso=path, firmware=firmware), r"no kernel for dom0|no modules|no dom0 kernel")
