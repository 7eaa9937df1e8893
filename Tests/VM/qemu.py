"""The command line of QEMU."""

import os
import pathlib
import re
import shutil
import sys

import kernel

MTU = 9000
KERNEL_PARAMETERS = [
    "console=ttyS0", "quiet", "panic=-1", "mitigations=off", "nokaslr", "no_timer_check", "tsc=reliable",
    "cryptomgr.notests", "random.trust_cpu=on", "net.ifnames=0",
]
# Without these features rxe's copies and checksums are three times as fast under emulation.
EMULATED_PROCESSOR = "max,-erms,-fsrm,-pclmulqdq"


def clock_parameters(cpuinfo="/proc/cpuinfo"):
    """Tells an emulated machine how fast its clock runs: under emulation that is the host's time stamp counter, whose
    frequency a machine that boots on a busy host would measure wrongly by a factor. On a host that is itself virtual,
    with a constant counter, it is the processor's nominal frequency."""
    try:
        text = pathlib.Path(cpuinfo).read_text()
    except OSError:
        return []
    fields = dict(re.findall(r"^(cpu MHz|flags)\s*: (.*)$", text, re.M))
    flags = fields.get("flags", "").split()
    if "cpu MHz" not in fields or not {"hypervisor", "constant_tsc"} <= set(flags):
        return []
    return [f"tsc_early_khz={round(float(fields['cpu MHz']) * 1000)}"]


def interpreter():
    """The Python that runs the agent in a machine."""
    return "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else os.path.realpath(sys.executable)


def fresh_directories(more=()):
    """Directories that machines see as they are now, not as they were: the project, and the programs under test."""
    paths = [kernel.ROOT, *(pathlib.Path(path).resolve() for path in more)]
    binaries = os.environ.get("VRDMA_BIN_DIR")
    if binaries:
        paths.append(pathlib.Path(binaries).resolve())
    chosen = []
    for path in paths:
        if any(character in str(path) for character in " \t\n:,"):
            raise ValueError(f"a machine cannot see {path}: its name has a space, a colon or a comma")
        if path.is_dir() and not any(path.is_relative_to(other) for other in chosen):
            chosen.append(path)
    return chosen


def command(number, settings, images, directory, agent_descriptor):
    """The command line of a machine; `number` counts from 1."""
    vmlinux, initramfs = images
    memory = settings["memory"]
    emulated = settings["accelerator"] == "tcg"
    fresh = settings["fresh"]
    parameters = [*KERNEL_PARAMETERS, *(clock_parameters() if emulated else []), f"vrdma.number={number}",
                  f"vrdma.python={interpreter()}", f"vrdma.fresh={':'.join(fresh)}", *settings["kernel_parameters"]]
    arguments = [
        shutil.which(kernel.EMULATOR), "-name", f"vrdma-vm{number},debug-threads=on",
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-monitor", "none",
        "-accel", "tcg,thread=multi,tb-size=256" if emulated else "kvm",
        "-cpu", EMULATED_PROCESSOR if emulated else "host",
        "-smp", str(settings["processors"]), "-m", f"{memory}M",
        "-machine", "q35,memory-backend=ram0",
        "-object", f"memory-backend-memfd,id=ram0,size={memory}M,share=on",
        "-kernel", str(vmlinux), "-initrd", str(initramfs), "-append", " ".join(parameters),
        "-chardev", f"file,id=console,path={directory}/console{number}.log", "-serial", "chardev:console",
        "-chardev", f"socket,id=agent,fd={agent_descriptor}",
        "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=vrdma.agent",
        "-device", "virtio-rng-pci",
        "-qmp", f"unix:{directory}/qmp{number},server=on,wait=off",
    ]
    arguments += file_system("hostroot", "/", True)
    arguments += file_system("shared", settings["shared"], False)
    for index, path in enumerate(fresh):
        arguments += file_system(f"fresh{index}", path, True)
    arguments += network(number, settings, directory)
    return arguments + settings["arguments"]


def file_system(tag, path, read_only):
    """A directory of the host by 9p."""
    options = "readonly=on" if read_only else "readonly=off"
    return ["-fsdev", f"local,id={tag},path={path},security_model=none,multidevs=remap,{options}",
            "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]


def network(number, settings, directory):
    """eth0 on one Ethernet of all machines: the first has a hub, and a socket for each of the others."""
    count = settings["guests"]
    arguments = []
    if number == 1:
        for other in range(2, count + 1):
            arguments += ["-netdev", f"stream,id=to{other},server=on,addr.type=unix,addr.path={directory}/net{other}",
                          "-netdev", f"hubport,id=port{other},hubid=0,netdev=to{other}"]
        arguments += ["-netdev", "hubport,id=eth0,hubid=0"]
    else:
        arguments += ["-netdev", f"stream,id=eth0,server=off,addr.type=unix,addr.path={directory}/net{number}"]
    if settings["capture"]:
        arguments += ["-object", f"filter-dump,id=capture,netdev=eth0,file={settings['shared']}/eth0-vm{number}.pcap"]
    address = f"52:54:00:09:00:{number:02x}"
    return arguments + ["-device", f"virtio-net-pci,netdev=eth0,mac={address},host_mtu={MTU},romfile="]
