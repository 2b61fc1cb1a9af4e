"""What goes wrong around guests harms nobody else and leaves nothing behind."""

import re

import pytest


def left_in_store(dom0):
    return dom0.run("xenstore-ls -f | grep -v '^/local/domain/0\\|^/tool' | grep -o '^/[a-z]*/[a-z]*[0-9/]*[0-9]' | "
                    "sort -u; xenstore-ls -f /local/domain/0/backend 2>/dev/null | grep -c state; true")


@pytest.fixture
def given_back(dom0):
    """The same domains and free memory after the test as before it."""
    before = dom0.memory_of_guests(), sorted(dom0.domains())
    yield dom0
    dom0.destroy_all(keep=["one"])
    assert (dom0.memory_of_guests(), sorted(dom0.domains())) == before


@pytest.fixture
def unchanged(given_back):
    """The same in the store as well."""
    before = left_in_store(given_back)
    yield given_back
    given_back.destroy_all(keep=["one"])
    assert left_in_store(given_back) == before


BAD_CONFIGURATIONS = {
    "syntax": ("echo 'memory = [' > /tmp/c; xl create /tmp/c", r"syntax error|config parsing error"),
    "no-file": ("xl create /tmp/absent.cfg", r"No such file|Failed to read"),
    "no-name": ("xl create /dev/null 'memory=16' 'kernel=\"/tools/idle\"'", r"name"),
    "absent-kernel": ("xl create /tools/neighbour.cfg 'name=\"bad\"' 'kernel=\"/absent\"'", r"/absent"),
    "text-kernel": ("xl create /tools/neighbour.cfg 'name=\"bad\"' 'kernel=\"/etc/passwd\"'", r"panic|parse|loader|image"),
    "program-kernel": ("xl create /tools/neighbour.cfg 'name=\"bad\"' 'kernel=\"/bin/true\"'", r"image|ELF|note|bootable"),
    "truncated-kernel": ("head -c 20000000 /tools/vmlinux > /root/k; "
                         "xl create /tools/neighbour.cfg 'name=\"bad\"' 'kernel=\"/root/k\"'", r"error|panic|image"),
    "absent-ramdisk": ("xl create /tools/tiny.cfg 'name=\"bad\"' 'ramdisk=\"/absent\"'", r"/absent"),
    "absent-disk": ("xl create /tools/tiny.cfg 'name=\"bad\"' 'disk=[\"file:/absent,xvda,w\"]'", r"/absent"),
    "bad-disk": ("xl create /tools/tiny.cfg 'name=\"bad\"' 'disk=[\"file:/etc/passwd,nosuchname,w\"]'", r"disk|vdev"),
    "absent-bridge": ("xl create /tools/tiny.cfg 'name=\"bad\"' 'vif=[\"bridge=absent\"]'", r"vif|bridge|script"),
    "too-much-memory": ("xl create /tools/tiny.cfg 'name=\"bad\"' 'memory=99999'", r"memory|free"),
    "too-little-memory": ("xl create /tools/tiny.cfg 'name=\"bad\"' 'memory=64'", r"memory|alloc|panic"),
    "too-many-vcpus": ("xl create /tools/tiny.cfg 'name=\"bad\"' 'vcpus=9000'", r"vcpu|range|max"),
    "absent-cpu": ("xl create /tools/tiny.cfg 'name=\"bad\"' 'cpus=\"77\"'", r"affinity|cpus|range"),
    "absent-pool": ("xl create /tools/tiny.cfg 'name=\"bad\"' 'pool=\"absent\"'", r"pool"),
    "same-name": ("xl create /tools/tiny.cfg 'name=\"one\"'", r"already"),
}


def test_bad_configurations(unchanged):
    """xl create fails each time, says why, and nothing of the guest is left."""
    wrong = {}
    for case, (command, message) in BAD_CONFIGURATIONS.items():
        status, text = unchanged.run(f"({command}) 2>&1", 120, check=False)
        if status == 0 or not re.search(message, text) or "bad" in unchanged.domains():
            wrong[case] = (status, text)
    assert not wrong
    assert unchanged.guest("one", "echo alive") == "alive"


def test_out_of_memory(unchanged):
    """Guests until there is no room: the request that does not fit fails, the others live, all comes back."""
    size = 512
    made = 0
    while True:
        status, text = unchanged.run(f"xl create -q /tools/neighbour.cfg 'name=\"big{made}\"' 'kernel=\"/tools/idle\"' "
                                     f"'memory={size}' 2>&1", 120, check=False)
        if status:
            break
        made += 1
    assert 2 <= made <= 5 and re.search(r"memory|free", text), text
    assert unchanged.guest("one", "echo alive") == "alive"
    # What is left suits a small one.
    unchanged.neighbour("small", "idle")
    unchanged.see("small", "idle: ready")


@pytest.mark.parametrize("command", ["create", pytest.param("destroy", marks=pytest.mark.soak),
                                     pytest.param("reboot", marks=pytest.mark.soak)])
def test_xl_is_killed(given_back, command):
    """xl dies at moments spread over its work; what it left can be destroyed and gives all memory
    back. (The entries that a killed xl leaves in the store are its own.)"""
    for step in range(5):
        delay = 0.25 * step
        if command != "create":
            given_back.neighbour("victim", "idle")
        verb = {"create": "create -q /tools/tiny.cfg \"name='victim'\" vif=[\\'bridge=xenbr0\\']",
                "destroy": "destroy victim", "reboot": "shutdown -F -w victim"}[command]
        given_back.run(f"xl {verb} & sleep {delay:.2f}; kill -9 $!; wait $!; true", 60)
        given_back.destroy_all(keep=["one"])
        assert given_back.guest("one", "echo alive") == "alive"


def cycles(machine, count, more=""):
    machine.run(f"for i in $(seq {count}); do xl create -q /tools/neighbour.cfg 'name=\"cycle\"' "
                f"'kernel=\"/tools/idle\"' {more} && xl destroy cycle || break; done; [ $i = {count} ]", 60 * count)


def test_create_destroy_cycles(unchanged):
    """Thirty guests come and go: free memory and all reference counts are what they were."""
    cycles(unchanged, 27)
    cycles(unchanged, 3, "'vif=[\"bridge=xenbr0\"]'")


@pytest.mark.soak
def test_create_destroy_many_cycles(unchanged):
    cycles(unchanged, 170)
    for _ in range(30):
        unchanged.create("cycle")
        unchanged.wait_guest("cycle")
        unchanged.run("xl destroy cycle")


# -- bad neighbours

def work(dom0):
    """What "one" does meanwhile: computes digests of memory and of its disk, which are known."""
    output = dom0.guest("one", "for i in 1 2 3; do head -c 6000000 /dev/zero | sha256sum; "
                               "sha256sum < /dev/xvdb; done", 300)
    assert len(set(output.splitlines()[0::2])) == 1 and len(set(output.splitlines()[1::2])) == 1
    return output


@pytest.fixture
def working(unchanged):
    unchanged.run("head -c 8M /dev/urandom > /root/disk; xl block-attach one file:/root/disk,xvdb,w")
    unchanged.wait_until("guest run one 'test -b /dev/xvdb'")
    yield unchanged
    unchanged.run("xl block-detach one xvdb; rm /root/disk; losetup -D", 90)


def check_work(dom0):
    assert dom0.run("sha256sum < /root/disk").split()[0] in work(dom0)
    dom0.guest("one", "echo 3 > /proc/sys/vm/drop_caches")


@pytest.mark.parametrize("kind, ready", [
    ("spin", "spin: ready"),
    ("flood", "flood: ready"),
    ("rings", "rings: ready"),
    ("starve", "starve: got back more than it gave: 0"),
])
def test_bad_neighbour(working, kind, ready):
    """Three guests that misbehave, one of them with more vCPUs than the machine: another's work stays right."""
    for i in range(3):
        working.neighbour(f"bad{i}", kind)
    if kind != "rings":
        for i in range(3):
            working.see(f"bad{i}", ready)
    check_work(working)
    # dom0's daemons still serve.
    number = working.domains()["one"][0]
    assert working.run(f"xenstore-read /local/domain/{number}/name") == "one"


def test_neighbours_panic(working):
    """Guests that crash again and again, restarted each time, beside the work."""
    for i, how in enumerate(("crash", "fault", "reboot")):
        working.neighbour(f"bad{i}", "end", extra=how, on_crash="restart", on_reboot="restart")
    check_work(working)
    working.wait_newer(working.domains()["one"][0] + 12)


def test_neighbour_panics_in_linux(working):
    working.create("bad", on_crash="destroy")
    working.wait_guest("bad")
    working.run("xl sysrq bad c")
    check_work(working)
    working.wait_gone("bad")
