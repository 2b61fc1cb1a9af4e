"""The Debian package: on an installed machine that starts by GRUB it is installed, started, used and removed."""

import re
import subprocess
import tarfile

import pytest

from machine import BUILD, LOGS
from toolstack import ON_XEN, Tools

DISK = BUILD / "grub.img"
# Linux without a VMM takes AVX for usable even where XSAVE is not.
CPU = "max,-smap,-xsave,-avx,-avx2"
MENU = "/boot/grub/grub.cfg"

pytestmark = [pytest.mark.soak, pytest.mark.skipif(ON_XEN, reason="the package is ours")]


class Installed(Tools):
    """A machine that starts from its own disk, with the package, the guests' disk and Xen's tools at hand."""

    def __init__(self, name, **settings):
        package, = BUILD.glob("hospes_*_amd64.deb")
        archive = LOGS / f"{name}.tar"
        LOGS.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive, "w") as tar:
            tar.add(package, arcname="hospes.deb")
        super().__init__(name, hypervisor="disk", disk=DISK, no_reboot=False, cpu=CPU, options=[
            "-drive", f"if=none,id=package,format=raw,readonly=on,file={archive}",
            "-device", "virtio-blk-pci,drive=package,serial=package",
            "-drive", f"if=none,id=other,format=raw,snapshot=on,file={BUILD / 'guest.img'}",
            "-device", "virtio-blk-pci,drive=other,serial=other"], **settings)

    def unpack(self):
        self.wait_for_shell(240)
        self.run("tar xf /dev/disk/by-id/virtio-package -C /root", 60)

    def entries(self):
        """Names of the menu's entries that start the VMM."""
        return re.findall(r"menuentry '([^']*)'", self.run(f"grep -h 'menuentry .*Hospes' {MENU}; true"))


def check_running(machine):
    """The machine runs on the package's VMM, by the options that its administrator gave to Xen, and starts guests."""
    lines = machine.vmm_lines()
    assert re.search(r"Hospes", lines[0])
    assert not [line for line in lines if "unknown option" in line]
    assert machine.run("/usr/lib/xen-common/bin/xen-version") == "4.17"
    assert list(machine.domains()) == ["Domain-0"]
    assert 700 < machine.domains()["Domain-0"][1] <= 768
    assert "xen_commandline        : console=com1 com1=115200,8n1 dom0_mem=768M,max:768M loglvl=all" in machine.run("xl info")
    machine.create("one", maxmem=160)
    machine.wait_guest("one")
    assert machine.guest("one", "cat /sys/hypervisor/type") == "xen"
    machine.run("xl shutdown -w one", 120)


def remove(machine, how):
    machine.run(f"dpkg --{how} hospes", 240)
    assert machine.entries() == [] and "ospes" not in machine.run(f"grep -v '^###' {MENU}")
    assert machine.run("ls /boot/hospes* 2>/dev/null", check=False)[1] == ""
    left = machine.run("find /etc /usr /boot /var/lib -xdev -name '*hospes*' | grep -v /root; true").split()
    if how == "purge":
        assert left == []
    else:
        assert sorted(path for path in left if path.startswith("/etc")) == [
            "/etc/default/grub.d/hospes.cfg", "/etc/grub.d/20_hospes"]


@pytest.mark.parametrize("firmware", ["bios", "efi"])
def test_life(firmware):
    with Installed(f"package-{firmware}", firmware=firmware, board="q35" if firmware == "efi" else "pc") as machine:
        life(machine)
        if firmware == "efi":
            machine.send("systemctl reboot\n")
            machine.wait_for_shell(400)
            assert machine.run("cat /sys/hypervisor/type 2>/dev/null", check=False)[1] == ""


def life(machine):
    """From plain Linux to a guest on the VMM, and what is left when the package has gone."""
    machine.unpack()
    assert machine.run("cat /sys/hypervisor/type 2>/dev/null", check=False)[1] == ""

    # A machine without the tools: nothing of the package gets there.
    machine.run("mount $(readlink -f /dev/disk/by-id/virtio-other) /mnt && cp hospes.deb /mnt/", 60)
    status, text = machine.run("chroot /mnt dpkg -i /hospes.deb 2>&1", 120, check=False)
    assert status == 1 and "hospes pre-depends on xen-utils-4.17" in text and "not installing hospes" in text
    assert machine.run("find /mnt -xdev -name '*hospes*'") == "/mnt/hospes.deb"
    assert machine.run("chroot /mnt dpkg-query -W -f '${db:Status-Status}' hospes") == "not-installed"
    machine.run("umount /mnt")

    assert "Found Hospes: /boot/hospes-" in machine.run("dpkg -i hospes.deb 2>&1", 240)
    kernel = machine.run("uname -r")
    names = machine.entries()
    version = machine.run("dpkg-query -W -f '${Version}' hospes")
    assert names == ["Debian GNU/Linux, with Hospes", f"Debian GNU/Linux, with Hospes {version} and Linux {kernel}",
                     f"Debian GNU/Linux, with Hospes {version} and Linux {kernel} (recovery mode)"]
    machine.run("grub-script-check /boot/grub/grub.cfg")
    # What starts by default is as it was; once, the VMM does.
    assert machine.run(f"grep '^   set default=' {MENU} | tail -n 1") == 'set default="0"'
    machine.run("grub-reboot hospes")
    machine.send("systemctl reboot\n")
    machine.start_tools()
    check_running(machine)

    # Removed it leaves its settings, purged nothing.
    remove(machine, "remove")
    remove(machine, "purge")
