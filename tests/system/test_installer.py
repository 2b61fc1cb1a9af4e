"""virt-install puts a paravirtual Debian guest on an empty disk, from the kernel and RAM disk of Debian's installer."""

import re
import subprocess

import pytest

from machine import BUILD, ROOT
from mirror import Mirror
from test_libvirt import start_libvirt, stop_libvirt, virsh, wait_shut_off
from toolstack import Tools

pytestmark = pytest.mark.soak

DISK = "/dev/disk/by-id/virtio-empty"
STEPS = ["running on Linux", "partitioning", "installing the base system", "installing the kernel", "done"]


@pytest.fixture
def empty_disk(tmp_path):
    """QEMU's options for an empty disk. Nothing needs it after the test, so nothing waits for the host's disk."""
    path = tmp_path / "empty.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "3G"], check=True)
    return ["-drive", f"if=none,id=empty,file={path},format=qcow2,cache=unsafe",
            "-device", "virtio-blk-pci,drive=empty,serial=empty"]


def test_virt_install(empty_disk):
    """The installer finds its network, its preseed file and the disk, installs Debian, starts again; what virt-install then
    starts is the kernel of that disk."""
    with Mirror(ROOT / "tests/system/installer", BUILD / "installer") as mirror, \
            Tools("installer", options=empty_disk) as machine:
        machine.start_tools()
        start_libvirt(machine)
        for name in ("linux", "initrd.gz"):
            machine.run(f"curl -sSf -o /root/{name} {mirror.url}/{name}", 120)
        machine.send("virt-install --paravirt --name installed --memory 1024 --vcpus 2 --graphics none "
                     f"--disk path={DISK},target=xvda --network bridge=xenbr0 --osinfo detect=off,require=off "
                     "--install kernel=/root/linux,initrd=/root/initrd.gz,kernel_args="
                     f"'console=hvc0 DEBIAN_FRONTEND=text auto=true priority=critical url={mirror.url}/preseed.cfg' "
                     "--noautoconsole --wait -1 </dev/null >/root/virt-install.log 2>&1 &\n")
        for step in STEPS:
            found = machine.see("installed", f"install: ({step}|FAILED)", 3600)
            assert "FAILED" not in found, (mirror.missing, machine.read_file("/tmp/console-installed")[-4000:])
        # It ends when pygrub is through and the guest runs: the console of the boot loader is another one.
        machine.run("wait $!", 900)
        machine.wait_guest("installed", 900)
        found = machine.guest("installed", "cat /proc/cmdline; uname -r; ls -1 /boot; findmnt -no SOURCE /; nproc; "
                              "ip -br -4 addr show enX0; systemctl is-system-running --wait", 600)
        lines = found.splitlines()
        assert re.search(r"root=UUID=\S+ ro console=hvc0$", lines[0]) and f"vmlinuz-{lines[1]}" in lines, found
        assert lines[-4:-2] == ["/dev/xvda1", "2"] and lines[-1] == "running", found
        assert re.match(r"enX0 +UP +10\.0\.2\.\d+/24", lines[-2]), found
        assert "Restarting guest" in machine.read_file("/root/virt-install.log")
        virsh(machine, "shutdown installed")
        wait_shut_off(machine, "installed")
        virsh(machine, "undefine installed")
        stop_libvirt(machine)
        machine.audit()
