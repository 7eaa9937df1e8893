"""The program of byhand/ in a machine: verbs one by one, from a test."""

import collections
import queue
import shlex

import frames
import programs
from runner import Failure, check_equal

SEND, WRITE, WRITE_IMM, READ, CAS, FAA = 2, 0, 1, 4, 5, 6
ACCESS_LOCAL_WRITE, ACCESS_ALL = 1, 15
SUCCESS, LOCAL_PROTECTION, FLUSH, REMOTE_ACCESS, RETRY, RNR_RETRY = 0, 4, 5, 10, 12, 13
PORT_ACTIVE, PORT_ERR, QP_FATAL, DEVICE_FATAL, GID_CHANGE, COMM_EST = 9, 10, 1, 8, 18, 4
STATE_ERROR = 6
ANSWER_SECONDS = 30.0
RETRIES = 5   # rxe takes 7 for "for ever"

Region = collections.namedtuple("Region", "number address lkey rkey size")
Completion = collections.namedtuple("Completion", "wr_id status opcode bytes qp_number")
Stream = collections.namedtuple("Stream", "count status longest_gap elapsed")


class Refused(Exception):
    """A verb failed; `errno` is its error."""

    def __init__(self, command, text):
        super().__init__(f"{command}: {text}")
        self.errno = int(text.split()[0])


class ByHand:
    """One process. `place` has start() as a machine does; `gid_index` is that of its address."""

    def __init__(self, place, device=None, gid_index=1):
        self.gid_index = gid_index
        self._lines, self._rest, self._errors = queue.Queue(), b"", b""
        self.process = place.start([programs.byhand(), *([device] if device else [])], on_output=self._take)
        name, pid = self._answer("open", ANSWER_SECONDS)
        self.device_name, self.pid = name, int(pid)

    def _take(self, kind, data):
        if kind != frames.STDOUT:
            self._errors += data
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._lines.put(line.decode())

    def _answer(self, command, timeout):
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise Failure(f"no answer to '{command}' in {timeout:.0f} s "
                          f"({self.process.failure or self.process.status}): {self._errors.decode()[-300:]}") from None
        kind, *words = line.split(" ", 1)
        if kind != "ok":
            raise Refused(command, words[0])
        return shlex.split(words[0]) if words else []

    def begin(self, *words):
        """Sends a command whose answer is fetched later, with `finish`."""
        command = " ".join(str(word) for word in words)
        self.process.write(command + "\n")
        return command

    def finish(self, command, timeout=ANSWER_SECONDS):
        """The answer to a command that was begun."""
        return self._answer(command, timeout)

    def ask(self, *words, timeout=ANSWER_SECONDS):
        """Does one command; the words of its answer. Raises Refused."""
        return self.finish(self.begin(*words), timeout)

    # Objects

    def region(self, size, access=ACCESS_ALL, pd=0, timeout=ANSWER_SECONDS):
        """Registered memory."""
        number, address, lkey, rkey = self.ask("mr", size, access, pd, timeout=timeout)
        return Region(int(number), int(address, 16), int(lkey, 16), int(rkey, 16), size)

    def completion_queue(self, entries=256):
        """A completion queue's number."""
        return int(self.ask("cq", entries)[0])

    def queue_pair(self, cq=0, depth=64, pd=0):
        """A queue pair: its number here, and its queue pair number."""
        number, qp_number = self.ask("qp", cq, depth, pd)
        return int(number), int(qp_number)

    def gid(self, index=None):
        """An entry of the GID table, in hexadecimal."""
        return self.ask("gid", self.gid_index if index is None else index)[0]

    def fields(self, what):
        """`device` or `port`, as a dictionary."""
        return {key: int(value) for key, value in (word.split("=") for word in self.ask(what))}

    def connect(self, queue_pair, gid, qp_number, timeout=14, retries=RETRIES, rnr_retries=7):
        """Connects a queue pair."""
        self.ask("connect", queue_pair, gid, qp_number, self.gid_index, timeout, retries, rnr_retries)

    # Requests

    def send(self, queue_pair, opcode, memory, remote_address=0, remote_key=0, size=None, compare_add=0, swap=0):
        """Posts a request with the beginning of some memory."""
        return int(self.ask("send", queue_pair, opcode, memory.address, memory.size if size is None else size,
                            memory.lkey, remote_address, remote_key, 0, compare_add, swap)[0])

    def receive(self, queue_pair, memory):
        """Posts a receive."""
        return int(self.ask("recv", queue_pair, memory.address, memory.size, memory.lkey)[0])

    def poll(self, cq=0, seconds=10.0):
        """The next completion, or None."""
        words = self.ask("poll", cq, int(seconds * 1000), timeout=seconds + ANSWER_SECONDS)
        return None if words == ["none"] else Completion(*map(int, words))

    def expect(self, status, cq=0, seconds=10.0):
        """The next completion, which must be of that status."""
        found = self.poll(cq, seconds)
        check_equal(found.status if found else None, status, "status of a completion")
        return found

    def begin_stream(self, queue_pair, memory, peer_memory, seconds, opcode=WRITE, size=4096, depth=16, cq=0):
        """Begins requests until an error or the time is over."""
        return self.begin("stream", queue_pair, cq, opcode, memory.address, size, memory.lkey, peer_memory.address,
                          peer_memory.rkey, depth, int(seconds * 1000))

    def finish_stream(self, command, timeout):
        """What became of a stream."""
        return Stream(*map(int, self.finish(command, timeout)))

    def event(self, seconds=5.0):
        """The next async event's type, or None. That a connection was established by traffic is no news."""
        while True:
            words = self.ask("event", int(seconds * 1000), timeout=seconds + ANSWER_SECONDS)
            if words == ["none"]:
                return None
            if int(words[0]) != COMM_EST:
                return int(words[0])

    def events(self, seconds=1.0):
        """All events until none comes for some time."""
        found = []
        while (event := self.event(seconds)) is not None:
            found.append(event)
        return found

    def fill(self, memory, seed):
        """Fills memory with a pattern."""
        self.ask("fill", memory.address, memory.size, seed)

    def check(self, memory, seed, size=None):
        """The memory, or its beginning, is that pattern."""
        where = self.ask("check", memory.address, memory.size if size is None else size, seed)[0]
        check_equal(where, "-1", "the first wrong byte")

    def word(self, memory, value=None):
        """The first eight bytes, or sets them."""
        return int(self.ask("word", memory.address, *([] if value is None else [value]))[0], 16)

    def kill(self):
        """kill -9."""
        self.process.kill(9)
        self.process.wait(10)

    def close(self):
        """Ends the process as a program that ends does."""
        self.process.close()


def connect_pair(left, left_queue_pair, right, right_queue_pair, **options):
    """Connects (number, queue pair number) of one process with that of another."""
    left.connect(left_queue_pair[0], right.gid(), right_queue_pair[1], **options)
    right.connect(right_queue_pair[0], left.gid(), left_queue_pair[1], **options)


class Side:
    """A process with memory, a completion queue and a queue pair."""

    def __init__(self, place, size=65536, gid_index=1):
        self.hand = ByHand(place, gid_index=gid_index)
        self.memory = self.hand.region(size)
        self.cq = self.hand.completion_queue()
        self.queue_pair = self.hand.queue_pair(self.cq)

    def meet(self, other, **options):
        """Connects with another side."""
        connect_pair(self.hand, self.queue_pair, other.hand, other.queue_pair, **options)

    def close(self):
        """Ends."""
        self.hand.close()
