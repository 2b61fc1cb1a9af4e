"""dom0 with Xen's tools: a machine that creates guests, and what there is to say about them."""

import re
import subprocess

from machine import BUILD, DISK, HYPERVISOR, INITRD, INITRD_TINY, LOGS, ROOT, VMLINUX, Machine

ON_XEN = "xen" in HYPERVISOR.name
ROOT_ARGS = "root=/dev/vda ro console=hvc0"
NEIGHBOURS = ["idle", "nap", "spin", "flood", "rings", "starve", "end"]
MAP_FRAMES = "maps in [0-9]+ frames|[0-9]+ maptrack frames"  # Hospes' words; Xen's
AUDIT = re.compile(r"audit of \d+ frames: (\d+) differences")


def toolbox_disk():
    """An image with what dom0 needs for these tests: toolbox/, programs/, kernels and RAM disks of guests."""
    image = LOGS / "toolbox.img"
    tree = LOGS / "toolbox"
    LOGS.mkdir(parents=True, exist_ok=True)
    subprocess.run(["rm", "-rf", str(tree), str(image)], check=True)
    tree.mkdir()
    sources = [*(ROOT / "tests/system/toolbox").iterdir(), *(ROOT / "tests/system/programs").iterdir(), VMLINUX,
               INITRD_TINY, BUILD / "system/vchan", *(BUILD / "guests/neighbours" / name for name in NEIGHBOURS)]
    subprocess.run(["cp", "-r", *map(str, sources), str(tree)], check=True)
    subprocess.run(["truncate", "-s", "160M", str(image)], check=True)
    subprocess.run(["/usr/sbin/mke2fs", "-q", "-t", "ext4", "-m", "0", "-d", str(tree), str(image)], check=True)
    subprocess.run(["rm", "-rf", str(tree)], check=True)
    return image


def guest_disks(directory, names):
    """Copies of the guests' Debian disk that hold only what is changed, and QEMU's options for them."""
    options = []
    for name in names:
        path = directory / f"{name}.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(BUILD / "guest.img"), str(path)],
                       check=True)
        options += ["-drive", f"if=none,id={name},file={path},format=qcow2",
                    "-device", f"virtio-blk-pci,drive={name},serial={name}"]
    return options


class Tools(Machine):
    """A machine with dom0's tools running and the toolbox in /tools."""

    def __init__(self, name, *, cpus=2, mem="3G", dom0_mem="768M", options=(), hv_args="", disk=DISK,
                 **settings):
        self.tools_started = False
        toolbox = toolbox_disk()
        super().__init__(
            name, cpus=cpus, mem=mem, disk=disk, initrd=INITRD, args=ROOT_ARGS, net="",
            hv_args=f"console=com1 com1=115200,8n1 loglvl=all guest_loglvl=warning dom0_mem={dom0_mem},max:{dom0_mem} "
                    f"conring_size=256k {hv_args}",
            options=["-drive", f"if=none,id=toolbox,format=raw,readonly=on,file={toolbox}",
                     "-device", "virtio-blk-pci,drive=toolbox,serial=toolbox", *options], **settings)

    def ready(self):
        """At a shell, with the guest "one" running."""
        if not self.tools_started:
            self.start_tools()
            self.tools_started = True
            # dom0 and the VMM keep some of the memory that guests need besides their own for the next ones: structs of
            # domains and ports. After this many guests at once, the memory of any fewer comes back to the last page.
            self.neighbour("warm0", "idle", vif='["bridge=xenbr0"]')
            for i in range(1, 8):
                self.neighbour(f"warm{i}", "idle")
            self.destroy_all()
        if "one" not in self.domains():
            self.create("one", vcpus=2, maxmem=160)
            self.wait_guest("one")

    def start_tools(self):
        self.wait_for_shell(240)
        self.wait_until("[ -e /dev/disk/by-id/virtio-toolbox ]")
        self.run("mkdir /tools; mount -o ro $(readlink -f /dev/disk/by-id/virtio-toolbox) /tools; cd /root", 60)
        self.run("export PATH=$PATH:/usr/lib/xen-4.17/bin:/tools; systemctl start xen", 120)
        self.run("for i in $(seq 60); do ip link show xenbr0 >/dev/null && break; sleep 1; done", 120)
        return self

    # -- guests

    def create(self, name, config="tiny.cfg", limit=120, **keys):
        """xl create; keys are those of xl.cfg(5), values in its syntax but strings without quotes."""
        quoted = " ".join("'{}={}'".format(key, f'"{value}"' if isinstance(value, str) and value[:1] not in '["' else value)
                          for key, value in {"name": name, **keys}.items())
        self.run(f"xl create -q /tools/{config} {quoted}", limit)

    def neighbour(self, name, kind=None, **keys):
        self.create(name, "neighbour.cfg", kernel=f"/tools/{kind or name}", **keys)

    def wait_guest(self, name, limit=180):
        self.run(f"guest wait {name} {limit}", limit + 20)

    def guest(self, name, command, limit=180, check=True):
        return self.run(f"guest run {name} '{command}'", limit, check)

    def see(self, name, pattern, limit=60):
        return self.run(f"guest see {name} '{pattern}' {limit}", limit + 20)

    def wait_vcpus(self, name, count, limit=60):
        """Until a guest runs on that many CPUs. New ones are switched on by its user space, as udev would do it."""
        self.wait_until(f"guest run {name} 'for f in /sys/devices/system/cpu/cpu*/online; do "
                        f"echo 1 > $f; done 2>/dev/null; [ $(nproc) = {count} ]'", limit)

    def domains(self):
        """{name: (number, memory in MiB, vCPUs, state, seconds)} as xl list has it."""
        found = {}
        for line in self.run("xl list").splitlines()[1:]:
            match = re.match(r"(\S+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+([\d.]+)", line)
            assert match, line
            found[match.group(1)] = (*map(int, match.groups()[1:4]), match.group(5), float(match.group(6)))
        return found

    def wait_until(self, condition, limit=60):
        """Until a shell condition has held once."""
        self.run(f"held=; for i in $(seq {limit * 5}); do {condition} && held=yes && break; sleep 0.2; done; [ $held ]",
                 limit * 2 + 30)

    def newest(self):
        return max(number for number, *_ in self.domains().values())

    def wait_newer(self, number, limit=90):
        """Until a domain with a greater number is there: numbers are not used again."""
        self.wait_until(f"[ $(xl list | awk 'NR > 1 && $2 > n {{ n = $2 }} END {{ print n + 0 }}') -gt {number} ]", limit)

    def wait_gone(self, name, limit=60):
        self.wait_until(f"! xl domid {name} >/dev/null 2>&1", limit)

    def destroy_all(self, keep=()):
        """Whatever tests left; first the background processes of xl that would start it again, even if it is not there
        just now."""
        others = "pgrep -af '[x]l (create|restore)'" + "".join(f" | grep -v 'name=\"{name}\"'" for name in keep)
        self.run(f"{others} | while read p c; do kill -9 $p; done; ! {others} || sleep 0.5", check=False)
        for _ in range(3):
            for name, (number, *_) in self.domains().items():
                if number and name not in keep:
                    self.run(f"xl destroy {number}", check=False)
        self.wait_until(f"[ $(xl list | wc -l) = {2 + len(keep)} ]")

    # -- what must be as it was

    def free_memory(self):
        """Free memory of the machine in KiB, when nothing more is on its way back."""
        previous = None
        while True:
            free = self.run("free-memory")
            if free == previous:
                return int(free)
            previous = free
            self.run("sleep 0.3")

    def dom0_map_frames(self):
        """Pages in which the hypervisor keeps what dom0 maps of others: as many as it once needed, to its end."""
        self.run("xl dmesg -c >/dev/null; xl debug-keys g")
        self.wait_until(f"xl dmesg | grep -qE '{MAP_FRAMES}'")
        return int(self.run(f"xl dmesg | grep -oE '{MAP_FRAMES}' | head -n 1 | grep -oE '[0-9]+'"))

    def memory_of_guests(self):
        """Free memory in KiB and what the hypervisor keeps because dom0 once mapped so much: the same after a test as
        before it, if nothing of its guests is left."""
        return self.free_memory() + 4 * self.dom0_map_frames()

    def audit(self):
        """All of the machine's reference counts agree with its page tables (Hospes only)."""
        if ON_XEN:
            return
        self.run("xl dmesg -c >/dev/null; xl debug-keys M")
        for _ in range(100):
            found = AUDIT.findall(self.run("xl dmesg | grep -o 'audit of.*'; true", 60))
            if found:
                assert found == ["0"], f"audit: {found} differences"
                return
            self.run("sleep 0.2")
        self.fail("no answer to the audit key")
