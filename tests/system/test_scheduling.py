"""What the scheduler gives, in figures. All of it is counted in the emulated machine's own time."""

import re

import pytest

from toolstack import Tools

# One instruction is one nanosecond, whatever the host does.
BY_INSTRUCTIONS = ["-icount", "shift=0,sleep=off"]


def times(machine):
    """Seconds of CPU time by guest, and of the machine's time."""
    lines = machine.run("xl list; cat /proc/uptime", 300).splitlines()
    return {line.split()[0]: float(line.split()[-1]) for line in lines[1:-1]}, float(lines[-1].split()[0])


def used(machine, names, seconds):
    """Of about so many seconds, which part each guest had, in percent of one CPU."""
    before, start = times(machine)
    machine.run(f"sleep {seconds}", 1200)
    after, end = times(machine)
    parts = [100 * (after[name] - before[name]) / (end - start) for name in names]
    print(" ".join(f"{name} {part:.1f}" for name, part in zip(names, parts)))
    return parts


def sleeper_wakes_in_time(machine):
    """Beside four that never rest."""
    for i in range(4):
        machine.neighbour(f"hog{i}", "spin")
    machine.neighbour("nap")
    text = machine.see("nap", r"99 of 100 \d+ us, worst \d+ us", 1200)
    print(text)
    assert int(re.search(r"of 100 (\d+) us", text).group(1)) < 2000, text
    machine.destroy_all()


def cap_holds(machine):
    """Where the CPU is free otherwise, and where it is not."""
    machine.neighbour("capped", "spin", cap="25")
    assert abs(used(machine, ["capped"], 15)[0] - 25) < 2
    machine.neighbour("free", "spin")
    assert abs(used(machine, ["capped", "free"], 15)[0] - 25) < 2
    machine.destroy_all()


def weights_hold(machine):
    for name, weight in (("light", 256), ("heavy", 512)):
        machine.neighbour(name, "spin", cpu_weight=str(weight))
    light, heavy = used(machine, ["light", "heavy"], 15)
    assert abs(100 * light / (light + heavy) - 100 / 3) < 2
    machine.destroy_all()


@pytest.mark.soak
def test_figures_on_one_cpu():
    with Tools("scheduling-1", cpus=1, options=BY_INSTRUCTIONS) as machine:
        machine.start_tools()
        sleeper_wakes_in_time(machine)
        cap_holds(machine)
        weights_hold(machine)


@pytest.mark.soak
def test_eight_hogs_on_four_cpus():
    names = [f"hog{i}" for i in range(8)]
    with Tools("scheduling-4", cpus=4, options=BY_INSTRUCTIONS) as machine:
        machine.start_tools()
        for name in names:
            machine.neighbour(name, "spin")
        parts = used(machine, names, 30)
        assert max(parts) - min(parts) < 3
