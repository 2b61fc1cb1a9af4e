"""Guests that start the kernel their own disk has, as the grub.cfg there says."""

import pytest

from test_libvirt import start_libvirt, stop_libvirt, virsh, wait_shut_off
from toolstack import Tools, guest_disks

pytestmark = pytest.mark.soak

DISK = "/dev/disk/by-id/virtio-own"


@pytest.fixture(scope="module")
def with_disk(tmp_path_factory):
    """A machine with the disk of a Debian guest."""
    machine = Tools("own-kernel", mem="2G", options=guest_disks(tmp_path_factory.mktemp("disks"), ["own"]))
    try:
        machine.start_tools()
        yield machine
        machine.audit()
    finally:
        machine.stop()
    machine.check_log()


def is_up(machine, name):
    machine.wait_guest(name, 400)
    found = machine.guest(name, "cat /proc/cmdline; nproc; findmnt -no SOURCE /; systemctl is-system-running --wait", 300)
    assert found.splitlines()[-3:] == ["2", "/dev/xvda1", "running"]
    assert found.split()[-6:-3] == ["root=/dev/xvda1", "ro", "console=hvc0"]


@pytest.mark.parametrize("way", ['kernel="/usr/lib/grub-xen/grub-x86_64-xen.bin"', 'bootloader="pygrub"'],
                         ids=["pv-grub", "pygrub"])
def test_by_xl(with_disk, way):
    with_disk.run(f"xl create -q /dev/null 'name=\"own\"' 'memory=256' 'vcpus=2' 'disk=[\"phy:{DISK},xvda1,w\"]' "
                  f"'vif=[\"bridge=xenbr0\"]' '{way}'", 200)
    is_up(with_disk, "own")
    with_disk.run("xl shutdown -w own", 200)
    with_disk.wait_gone("own")


def test_by_virt_install(with_disk):
    """virt-install takes the disk as it is; pygrub finds the kernel."""
    start_libvirt(with_disk)
    with_disk.run("virt-install --paravirt --import --name own --memory 256 --vcpus 2 --graphics none "
                  f"--disk path={DISK},target=xvda1 --network bridge=xenbr0 "
                  "--osinfo detect=off,require=off --noautoconsole </dev/null", 400)
    is_up(with_disk, "own")
    virsh(with_disk, "shutdown own")
    wait_shut_off(with_disk, "own")
    virsh(with_disk, "undefine own")
    stop_libvirt(with_disk)
