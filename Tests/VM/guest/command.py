"""A command that the host started in a virtual machine."""

import fcntl
import os
import signal
import termios

import frames

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
               "LANG": "C.UTF-8", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash",
               "XDG_RUNTIME_DIR": "/run/user/0"}


class Command:
    """A process in a session of its own, with pipes or a terminal. Raises OSError when it cannot be started."""

    def __init__(self, channel, what):
        self.channel = channel
        self.stdin_pending = bytearray()
        self.stdin_ends = False
        self.credit = frames.WINDOW        # bytes of output that the host is ready to take
        terminal = what.get("terminal")
        if terminal:
            control, inner = os.openpty()
            theirs = [inner, inner, inner]
            self.outputs = {control: frames.STDOUT}     # descriptor → kind of frame
            self.stdin = os.dup(control)                # None once it is closed
        else:
            (stdin, self.stdin), (stdout, to_stdout), (stderr, to_stderr) = (os.pipe2(os.O_CLOEXEC) for _ in range(3))
            theirs = [stdin, to_stdout, to_stderr]
            self.outputs = {stdout: frames.STDOUT, stderr: frames.STDERR}
        trouble_read, trouble_write = os.pipe2(os.O_CLOEXEC)
        self.pid = os.fork()
        if self.pid == 0:
            become(what, theirs, bool(terminal), trouble_write)
        for descriptor in set(theirs) | {trouble_write}:
            os.close(descriptor)
        with os.fdopen(trouble_read, "rb") as pipe:
            trouble = pipe.read()   # until the command is what it shall be
        if trouble:
            for descriptor in (*self.outputs, self.stdin):
                os.close(descriptor)
            raise OSError(trouble.decode(errors="replace"))
        for descriptor in (*self.outputs, self.stdin):
            os.set_blocking(descriptor, False)
        if terminal:
            self.resize(*terminal)

    def resize(self, rows, columns):
        """Tells its terminal the size."""
        for descriptor in self.outputs:
            try:
                termios.tcsetwinsize(descriptor, (rows, columns))
            except termios.error:
                pass   # a pipe

    def kill(self, number):
        """Sends a signal to all of it."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass


def become(what, descriptors, terminal, trouble):
    """In the child: becomes the command, or reports why not."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.setsid()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
        if terminal:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        directory = what.get("directory")
        if directory:
            os.chdir(directory)
        os.execvpe(what["arguments"][0], what["arguments"], {**ENVIRONMENT, **what.get("environment", {})})
    except OSError as problem:
        # A failed search for a program names the last place that was tried.
        name = what["arguments"][0] if problem.filename is None or isinstance(problem.filename, bytes) \
            else problem.filename
        os.write(trouble, f"{problem.strerror}: {name}".encode(errors="replace"))
    except BaseException as problem:  # the host must hear of whatever it is
        os.write(trouble, repr(problem).encode(errors="replace"))
    os._exit(127)
