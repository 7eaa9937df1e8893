"""Writes archives in the format that the kernel unpacks at boot (cpio "newc", initramfs-buffer-format.rst)."""

import stat


class Archive:
    """An archive that is being made."""

    def __init__(self):
        self.content = bytearray()
        self.inode = 0

    def directory(self, name):
        """Adds a directory."""
        self._add(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, executable=False):
        """Adds a file."""
        self._add(name, stat.S_IFREG | (0o755 if executable else 0o644), data)

    def link(self, name, target):
        """Adds a symbolic link."""
        self._add(name, stat.S_IFLNK | 0o777, target.encode())

    def device(self, name, major, minor):
        """Adds a character device; no privilege is needed to write one into an archive."""
        self._add(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def finish(self):
        """Ends the archive and returns it."""
        self._add("TRAILER!!!", 0)
        return bytes(self.content)

    def _add(self, name, mode, data=b"", device=(0, 0)):
        self.inode += 1
        path = name.encode() + b"\0"
        fields = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0]
        self.content += b"070701" + b"".join(b"%08X" % field for field in fields) + path
        self._align()
        self.content += data
        self._align()

    def _align(self):
        self.content += bytes(-len(self.content) % 4)
