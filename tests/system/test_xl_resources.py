"""Memory, vCPUs, and what the scheduler gives, under xl's commands."""

import re

import pytest


def memory_of(dom0, name):
    return int(re.search(r"MemTotal:\s+(\d+) kB", dom0.guest(name, "cat /proc/meminfo")).group(1))


def test_memory_both_ways(dom0):
    """mem-set makes the guest give memory back, and take it again; the machine's free memory follows."""
    whole, free = memory_of(dom0, "one"), dom0.free_memory()
    dom0.run("xl mem-set one 100")
    dom0.wait_until("[ $(xl list one | awk 'END { print $3 }') = 100 ]")
    assert memory_of(dom0, "one") <= whole - (26 << 10)
    assert dom0.free_memory() - free >= 27 << 10
    dom0.run("xl mem-set one 150")
    dom0.wait_until("[ $(xl list one | awk 'END { print $3 }') = 150 ]")
    assert memory_of(dom0, "one") >= whole + (20 << 10)
    dom0.run("xl mem-set one 128")
    dom0.wait_until("[ $(xl list one | awk 'END { print $3 }') = 128 ]")
    # What the guest fills is right afterwards.
    assert dom0.guest("one", "head -c 9000000 /dev/zero > /tmp/z; md5sum < /tmp/z; rm /tmp/z").split()[0] == \
        dom0.run("head -c 9000000 /dev/zero | md5sum").split()[0]


def test_memory_limit(dom0):
    """mem-max bounds what mem-set may ask for."""
    dom0.run("xl mem-max one 140")
    status, text = dom0.run("xl mem-set one 150 2>&1", check=False)
    assert status != 0 and "must be less" in text
    assert dom0.run("xl mem-max one 64 2>&1", check=False)[0] != 0
    dom0.run("xl mem-max one 160")
    assert dom0.domains()["one"][1] == 128


def test_vcpus_come_and_go(dom0):
    for count in (1, 2, 1, 2):
        dom0.run(f"xl vcpu-set one {count}")
        dom0.wait_vcpus("one", count)
        assert dom0.domains()["one"][2] == count
    assert dom0.run("xl vcpu-set one 3 2>&1", check=False)[0] != 0
    assert dom0.guest("one", "nproc") == "2"


def affinities(dom0, name):
    return {int(row[2]): (row[3], row[6], row[8]) for row in
            (line.split() for line in dom0.run(f"xl vcpu-list {name}").splitlines()[1:])}


def test_pinning(dom0):
    """Hard affinity binds a vCPU, soft affinity prefers; both can be asked for and taken back."""
    dom0.neighbour("spin")
    for cpu in "0101":
        dom0.run(f"xl vcpu-pin spin 0 {cpu} all")
        dom0.run("sleep 0.2")
        assert affinities(dom0, "spin")[0] == (cpu, cpu, "all")
    dom0.run("xl vcpu-pin spin 0 all 1")
    assert affinities(dom0, "spin")[0][1:] == ("all", "1")
    dom0.run("xl vcpu-pin one all 0-1 ^0,1")
    assert {value[1:] for value in affinities(dom0, "one").values()} == {("all", "1")}
    dom0.run("xl vcpu-pin one all all all")
    assert {value[1:] for value in affinities(dom0, "one").values()} == {("all", "all")}


def test_scheduler_parameters(dom0):
    dom0.run("xl sched-credit2 -d one -w 512 -c 40")
    assert dom0.run("xl sched-credit2 -d one").splitlines()[-1].split()[-2:] == ["512", "40"]
    dom0.run("xl sched-credit2 -d one -w 256 -c 0")
    assert re.search(r"^one\s+\d+\s+256\s+0$", dom0.run("xl sched-credit2"), re.M)
    dom0.run("xl sched-credit2 -s -r 2000")
    assert "ratelimit=2000us" in dom0.run("xl sched-credit2")
    dom0.run("xl sched-credit2 -s -r 1000")
    for wrong in ("-d one -w 0", "-d one -w 70000", "-d one -c 300", "-s -r 50", "-s -r 900000000"):
        status, text = dom0.run(f"xl sched-credit2 {wrong} 2>&1", check=False)
        assert status != 0, f"{wrong}: {text}"
    assert re.search(r"^one\s+\d+\s+256\s+0$", dom0.run("xl sched-credit2"), re.M)
    assert "ratelimit=1000us" in dom0.run("xl sched-credit2")


def shares(dom0, names, seconds):
    """What part of their common CPU time each got over a while."""
    before = dom0.domains()
    dom0.run(f"sleep {seconds}", seconds * 10 + 60)
    after = dom0.domains()
    used = [after[name][4] - before[name][4] for name in names]
    return [part / sum(used) for part in used], sum(used)


def test_proportional_share(dom0):
    """Two guests that never rest on one CPU get it by their weights; on two CPUs each has one, whatever they weigh."""
    for name, weight in (("light", 256), ("heavy", 512)):
        dom0.neighbour(name, "spin", cpus="1", cpu_weight=str(weight))
    parts, _ = shares(dom0, ("light", "heavy"), 15)
    assert abs(parts[0] - 1 / 3) < 0.05, parts
    dom0.run("xl sched-credit2 -d light -w 1024")
    parts, _ = shares(dom0, ("light", "heavy"), 15)
    assert abs(parts[0] - 2 / 3) < 0.05, parts
    dom0.run("xl vcpu-pin light 0 all; xl vcpu-pin heavy 0 all")
    parts, _ = shares(dom0, ("light", "heavy"), 10)
    assert abs(parts[0] - 1 / 2) < 0.1, parts


def test_cap(dom0):
    """A guest with a cap gets no more of a CPU than that, though it is free otherwise."""
    dom0.neighbour("spin", cpus="1", cap="25")
    before, start = dom0.domains()["spin"][4], float(dom0.run("cut -d' ' -f1 /proc/uptime"))
    dom0.run("sleep 15", 120)
    used = dom0.domains()["spin"][4] - before
    passed = float(dom0.run("cut -d' ' -f1 /proc/uptime")) - start
    assert 0.15 < used / passed < 0.30, f"{used} of {passed} s"
    dom0.run("xl sched-credit2 -d spin -c 0")
    before = dom0.domains()["spin"][4]
    dom0.run("sleep 5", 60)
    assert dom0.domains()["spin"][4] - before > 2.5


def test_work_conserving_and_fair(dom0):
    """Four hogs of equal weight share two CPUs equally, and dom0 stays usable."""
    names = [f"hog{i}" for i in range(4)]
    for name in names:
        dom0.neighbour(name, "spin")
    parts, used = shares(dom0, names, 20)
    assert all(abs(part - 1 / 4) < 0.06 for part in parts), parts
    assert used > 20, used
    assert dom0.guest("one", "echo alive") == "alive"


@pytest.mark.parametrize("command", ["vcpu-set one 0", "mem-set one 99999999", "mem-max one 4"])
def test_nonsense(dom0, command):
    status, text = dom0.run(f"xl {command} 2>&1", check=False)
    assert status != 0, text
    assert dom0.domains()["one"][1:3] == (128, 2)
    assert dom0.guest("one", "nproc") == "2"
