"""Finds Debian's kernel and its modules, and makes of them what a machine boots from, in a cache."""

import bz2
import hashlib
import lzma
import os
import pathlib
import platform
import re
import shutil
import tempfile
import time
import zlib

import cpio

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUSYBOX = "/bin/busybox"
EMULATOR = "qemu-system-x86_64"
# The network comes first: its link needs a moment to come up.
MODULES = ["virtio_pci", "virtio_net", "virtio_console", "9pnet_virtio", "9p", "overlay",
           "crc32_generic", "rdma_rxe", "ib_umad", "rdma_ucm"]
APPLETS = ["sh", "mount", "umount", "insmod", "ip", "mkdir", "chmod", "cat", "cp", "chroot", "switch_root", "poweroff"]
OLD_SECONDS = 3600
INSTALL = "scripts/packages --install vm"


class Missing(Exception):
    """What is needed is not installed; the text says what, and the remedy."""


def newest():
    """The version of the newest kernel that has an image and modules, or None."""
    versions = [path.name.removeprefix("vmlinuz-") for path in pathlib.Path("/boot").glob("vmlinuz-*")]
    usable = [version for version in versions
              if pathlib.Path("/lib/modules", version, "modules.dep").is_file()
              and os.access(f"/boot/vmlinuz-{version}", os.R_OK)]
    return max(usable, key=lambda version: [int(part) for part in re.findall(r"\d+", version)], default=None)


def require():
    """The kernel's version; raises Missing when something is not installed."""
    if platform.machine() != "x86_64":
        raise Missing(f"virtual machines are made for x86_64 only, this is {platform.machine()}")
    missing = []
    if shutil.which(EMULATOR) is None:
        missing.append(f"{EMULATOR} (package qemu-system-x86)")
    version = newest()
    if version is None:
        missing.append("a readable kernel image in /boot with modules in /lib/modules (package linux-image-amd64)")
    if not is_static(BUSYBOX):
        missing.append(f"a static {BUSYBOX} (package busybox-static)")
    if missing:
        raise Missing(f"virtual machines need {'; '.join(missing)}. Install: {INSTALL}")
    return version


def is_static(path):
    """Whether a file is an ELF executable that needs no loader."""
    try:
        content = pathlib.Path(path).read_bytes()
    except OSError:
        return False
    if content[:5] != b"\x7fELF\x02":
        return False
    start = int.from_bytes(content[32:40], "little")
    size = int.from_bytes(content[54:56], "little")
    count = int.from_bytes(content[56:58], "little")
    interpreter = 3
    return all(int.from_bytes(content[start + size * index:start + size * index + 4], "little") != interpreter
               for index in range(count))


def unpack(image):
    """The ELF file inside a bzImage, or None when its compression is not known here.

    The kernel need not unpack itself then, which takes an emulated processor seconds.
    """
    setup_sectors = image[0x1f1] or 4
    offset = int.from_bytes(image[0x248:0x24c], "little")
    length = int.from_bytes(image[0x24c:0x250], "little")
    start = (setup_sectors + 1) * 512 + offset
    payload = image[start:start + length]
    decompressors = {b"\xfd7zXZ": lzma.LZMADecompressor, b"\x5d\x00\x00": lzma.LZMADecompressor,
                     b"BZh": bz2.BZ2Decompressor, b"\x1f\x8b": lambda: zlib.decompressobj(wbits=31)}
    for magic, decompressor in decompressors.items():
        if payload.startswith(magic):
            kernel = decompressor().decompress(payload)
            return kernel if kernel.startswith(b"\x7fELF") else None
    return None


def module_files(version, names):
    """The files of modules and of all that they need, in the order to load them."""
    directory = pathlib.Path("/lib/modules", version)
    needs, paths = {}, {}
    for line in (directory / "modules.dep").read_text().splitlines():
        path, _, needed = line.partition(":")
        needs[path] = needed.split()
        paths[module_name(path)] = path
    builtin = {module_name(path) for path in (directory / "modules.builtin").read_text().split()}
    order = []
    for name in names:
        if name in builtin:
            continue
        if name not in paths:
            raise Missing(f"the kernel {version} has no module {name}")
        path = paths[name]
        order += [each for each in [*reversed(needs[path]), path] if each not in order]
    return [directory / path for path in order]


def module_name(path):
    """The name of a module from that of its file."""
    return pathlib.PurePath(path).name.split(".")[0].replace("-", "_")


def module_content(path):
    """A module as the kernel loads it."""
    content = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(content)
    if path.suffix != ".ko":
        raise Missing(f"the harness cannot read {path}: modules are known as .ko and .ko.xz")
    return content


def initramfs(version):
    """The content of the initial file system."""
    archive = cpio.Archive()
    for name in ["bin", "dev", "proc", "sys", "modules", "guest"]:
        archive.directory(name)
    archive.device("dev/console", 5, 1)
    archive.file("bin/busybox", pathlib.Path(BUSYBOX).read_bytes(), executable=True)
    for applet in APPLETS:
        archive.link(f"bin/{applet}", "busybox")
    order = []
    for path in module_files(version, MODULES):
        name = f"{module_name(path)}.ko"
        archive.file(f"modules/{name}", module_content(path))
        order.append(name)
    archive.file("modules/order", "".join(f"{name}\n" for name in order).encode())
    archive.file("init", (HERE / "guest" / "init").read_bytes(), executable=True)
    for path in guest_files():
        archive.file(f"guest/{path.name}", path.read_bytes())
    return archive.finish()


def cache_directories():
    """Where images are kept, best first."""
    if os.environ.get("VRDMA_VM_CACHE"):
        return [pathlib.Path(os.environ["VRDMA_VM_CACHE"])]
    user = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return [ROOT / ".build" / "vm", user / "vrdma-vm"]


def images():
    """The paths of kernel and initial file system; makes them when they are not in the cache."""
    version = require()
    image = pathlib.Path(f"/boot/vmlinuz-{version}")
    state = hashlib.sha256(f"{version} {image.stat().st_size} {image.stat().st_mtime_ns}".encode())
    for path in [pathlib.Path(BUSYBOX), HERE / "kernel.py", HERE / "cpio.py", *guest_files()]:
        state.update(path.name.encode() + b"\0" + path.read_bytes())
    name = f"{version}-{state.hexdigest()[:16]}"
    caches = cache_directories()
    place = next((cache / name for cache in caches if (cache / name).is_dir()), None)
    if place is None:
        place = next((cache for cache in caches if is_writable(cache)), caches[0]) / name
        make(version, image, place)
        remove_old(place)
    return place / "vmlinux", place / "initramfs"


def guest_files():
    """What a machine runs of ours."""
    return [*(HERE / "guest" / name for name in ("init", "setup", "agent.py", "command.py")), HERE / "frames.py"]


def is_writable(directory):
    """Whether a directory can be made or written to."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(directory, os.W_OK)


def remove_old(place):
    """Removes other images that no machine can be about to boot from."""
    for old in place.parent.glob("*-*"):
        if old != place and old.stat().st_mtime < time.time() - OLD_SECONDS:
            shutil.rmtree(old, ignore_errors=True)


def make(version, image, place):
    """Makes the images; several processes may do so at the same time."""
    place.parent.mkdir(parents=True, exist_ok=True)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="new.", dir=place.parent))
    try:
        content = image.read_bytes()
        (directory / "vmlinux").write_bytes(unpack(content) or content)
        (directory / "initramfs").write_bytes(initramfs(version))
        directory.chmod(0o755)
        try:
            directory.rename(place)
        except OSError:
            if not place.is_dir():
                raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)
