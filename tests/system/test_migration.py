"""A running guest moves from one machine to another and back, without live migration."""

import pytest

from test_libvirt import start_libvirt, stop_libvirt, virsh
from toolstack import Tools

pytestmark = pytest.mark.soak

GUEST_ADDRESS = "192.168.9.9"


class Host(Tools):
    """One of two machines on a wire of their own, whose libvirt takes guests from the other."""

    def __init__(self, number, wire):
        self.address = f"192.168.9.{number}"
        self.mac = f"52:54:00:00:09:0{number}"
        super().__init__(
            f"migration-{number}", cpus=1, mem="1536M", options=[
                "-netdev", f"stream,id=wire,server={'on' if number == 1 else 'off'},addr.type=unix,addr.path={wire}",
                "-device", f"virtio-net-pci,netdev=wire,mac={self.mac},romfile="])
        self.number = number

    def settle(self):
        self.start_tools()
        self.run("ip link add wire type bridge forward_delay 0; for n in /sys/class/net/*; do "
                 f"! grep -q {self.mac} $n/address || card=${{n##*/}}; done; ip link set $card master wire up; "
                 f"ip link set wire up; ip addr add {self.address}/24 dev wire")
        self.run(f"hostname host{self.number}; for n in 1 2; do echo 192.168.9.$n host$n >> /etc/hosts; done; "
                 "echo 'auth_tcp = \"none\"' >> /etc/libvirt/libvirtd.conf; systemctl start libvirtd-tcp.socket")
        start_libvirt(self)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Two machines, the guest "virt" running on the first."""
    wire = tmp_path_factory.mktemp("wire") / "wire"
    machines = []
    try:
        machines.append(Host(1, wire))
        # By its first line QEMU listens on the wire, and has opened the toolbox, which each machine makes anew.
        machines[0].wait_for(r"\n", 60, "first line")
        machines.append(Host(2, wire))
        for machine in machines:
            machine.settle()
        machines[0].wait_until("ping -c 1 -W 2 192.168.9.2 >/dev/null")
        machines[0].run("sed s/xenbr0/wire/ /tools/tiny.xml > /root/virt.xml")
        virsh(machines[0], "create /root/virt.xml", 200)
        machines[0].wait_guest("virt")
        machines[0].guest("virt", f"ip link set eth0 up; ip addr add {GUEST_ADDRESS}/24 dev eth0; echo kept > /tmp/kept; "
                                  "(while :; do date +%s > /tmp/now; sleep 1; done) & echo $! > /tmp/pid")
        yield machines
        for machine in machines:
            stop_libvirt(machine)
            machine.destroy_all()
            machine.audit()
    finally:
        for machine in machines:
            machine.stop()
    for machine in machines:
        machine.check_log()


def lives_on(machine, other):
    """The guest is here, and only here, with its memory, processes, vCPUs, disk and address."""
    assert "virt" in machine.domains() and "virt" not in other.domains()
    assert machine.guest("virt", "cat /tmp/kept; kill -0 $(cat /tmp/pid) && echo alive; nproc").split() == \
        ["kept", "alive", "2"]
    machine.guest("virt", "then=$(cat /tmp/now); until [ $(cat /tmp/now) -gt $then ]; do usleep 100000; done")
    machine.guest("virt", "echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/xvda bs=1M count=8 2>/dev/null | sha256sum")
    other.wait_until(f"ping -c 1 -W 2 {GUEST_ADDRESS} >/dev/null", 30)


def test_to_and_fro(hosts):
    """Three times to the other machine and back, by virsh or by libvirtd itself."""
    first, second = hosts
    free = None
    for how in ("", "--p2p", ""):
        for source, target in ((first, second), (second, first)):
            virsh(source, f"migrate {how} virt xen+tcp://{target.address}/system", 300)
            source.wait_gone("virt")
            lives_on(target, source)
        free = free or second.memory_of_guests()
        assert second.memory_of_guests() == free


def test_live_is_refused(hosts):
    """It ends with an error; the guest stays where it is, and nothing is left at the other end."""
    first, second = hosts
    status, text = first.run(f"virsh migrate --live virt xen+tcp://{second.address}/system </dev/null 2>&1", 300, check=False)
    assert status != 0 and "Failed to send migration data" in text, text
    second.wait_gone("virt")
    lives_on(first, second)
