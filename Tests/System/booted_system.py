"""A systemd of its own that runs installed units, in namespaces and on an overlay of this system.

Nothing is left behind: the file system, the processes and the users that it makes
end with the namespaces.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

from runner import Skip

TARGET = "/etc/systemd/system/vrdma-test.target"
STEPS = "/etc/systemd/system/vrdma-test.service"
SHARED = "/opt/vrdma-test"


def cgroup2_directory():
    """Where the unified control group hierarchy is mounted."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, kind = line.partition(" - ")
        if kind.split()[0] == "cgroup2":
            return pathlib.Path(fields.split()[4])
    raise Skip("there is no control group hierarchy (cgroup2)")


def run_steps(installation, units, steps, directory, timeout=120):
    """Boots, starts the units, runs each step (a shell command) and returns [(status, output)].

    `installation` is a directory that is put over the root of the file system.
    """
    if os.geteuid() != 0:
        raise Skip("only root can boot a systemd")
    if shutil.which("unshare") is None or not pathlib.Path("/lib/systemd/systemd").exists():
        raise Skip("systemd is not installed: scripts/packages --install test")
    shared = pathlib.Path(directory, "shared")
    shared.mkdir()
    (shared / "steps.json").write_text(json.dumps(steps))
    shutil.copy(__file__, shared / "booted_system.py")
    shutil.copy(pathlib.Path(__file__).with_name("runner.py"), shared / "runner.py")
    cgroup = cgroup2_directory() / f"vrdma-test-{os.getpid()}"
    try:
        cgroup.mkdir()
    except OSError as problem:
        raise Skip(f"no control group can be made: {problem.strerror}") from problem

    def enter_cgroup():
        (cgroup / "cgroup.procs").write_text("0")

    command = ["unshare", "--fork", "--pid", "--mount", "--cgroup", "--uts", "--ipc", "--kill-child",
               sys.executable, __file__, "boot", str(directory), str(installation), *units]
    try:
        boot = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
                              check=False, preexec_fn=enter_cgroup)
    finally:
        remove_cgroups(cgroup)
    results = shared / "results.json"
    if not results.exists():
        raise Skip(f"systemd does not start in namespaces here: {boot.stdout.strip()[-600:]}")
    return [tuple(result) for result in json.loads(results.read_text())]


def remove_cgroups(cgroup):
    """Removes a control group and those below it, whose processes are gone."""
    for path, _, _ in os.walk(cgroup, topdown=False):
        try:
            os.rmdir(path)
        except OSError:
            pass


def boot(directory, installation, *units):
    """In the namespaces: builds the file system and becomes systemd."""
    base = pathlib.Path(directory, "overlay")
    base.mkdir()

    def mount(*arguments):
        subprocess.run(["mount", *map(str, arguments)], check=True)
    mount("--make-rprivate", "/")
    mount("-t", "tmpfs", "tmpfs", base)
    for name in ["upper", "work", "root"]:
        (base / name).mkdir()
    root = base / "root"
    mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={base}/upper,workdir={base}/work", root)
    mount("-t", "proc", "proc", root / "proc")
    mount("--rbind", "/sys", root / "sys")
    mount("--rbind", "/dev", root / "dev")
    for name in ["run", "tmp", "var/log"]:
        mount("-t", "tmpfs", "tmpfs", root / name)
    # Where the hierarchy is mounted already, the same one is not mounted over it.
    subprocess.run(["umount", "--lazy", root / "sys/fs/cgroup"], stderr=subprocess.DEVNULL, check=False)
    mount("-t", "cgroup2", "cgroup2", root / "sys/fs/cgroup")

    # Only what is asked for is started: no unit of this system has a say.
    shutil.rmtree(root / "etc/systemd/system", ignore_errors=True)
    for wants in (root / "usr/lib/systemd/system").glob("*.wants"):
        shutil.rmtree(wants)
    shutil.copytree(installation, root, symlinks=True, dirs_exist_ok=True)
    (root / SHARED[1:]).mkdir(parents=True)
    mount("--bind", pathlib.Path(directory, "shared"), root / SHARED[1:])
    for command in [["systemd-sysusers"], ["systemd-tmpfiles", "--create", "vrdma.conf"]]:
        subprocess.run(["chroot", root, *command], check=True)
    (root / "etc/systemd/system").mkdir(parents=True, exist_ok=True)
    journal = "systemd-journald.socket systemd-journald-dev-log.socket systemd-journald.service"
    (root / TARGET[1:]).write_text(f"[Unit]\nRequires={journal}\nWants={' '.join(units)} vrdma-test.service\n")
    (root / STEPS[1:]).write_text(f"[Unit]\nAfter={' '.join(units)}\n[Service]\nType=oneshot\n"
                                  f"ExecStart={sys.executable} {SHARED}/booted_system.py steps\n")
    os.chroot(root)
    os.chdir("/")
    os.execve("/lib/systemd/systemd", ["systemd", "--system", "--unit=vrdma-test.target", "--log-target=console"],
              {"container": "other", "PATH": os.environ["PATH"]})


def perform_steps():
    """In the booted system: runs the steps, then ends it."""
    shared = pathlib.Path(SHARED)
    results = []
    try:
        for step in json.loads((shared / "steps.json").read_text()):
            result = subprocess.run(["/bin/sh", "-c", step], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
            results.append((result.returncode, result.stdout.strip()))
    finally:
        (shared / "results.json").write_text(json.dumps(results))
        subprocess.run(["systemctl", "--force", "--force", "poweroff"], check=False)


if __name__ == "__main__":
    if sys.argv[1] == "boot":
        boot(*sys.argv[2:])
    else:
        perform_steps()
