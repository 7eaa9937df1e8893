"""Hostile cases: random mutations of commands and of work requests, from the seed."""

import collections
import random
import time

import ibverbs_constants as ibv
import vrdma_abi as abi
from memory import Memory
from mutated_commands import CommandSource
from mutator import Mutator
from packets import PeerGone, make_message
from raw_queues import connect_pair
from runner import Cases, Failure, check

cases = Cases()
CHECK_EVERY = 1000
REBUILD_EVERY = 250


def progress(stage, number, total):
    """Looks whether the others still live."""
    stage.check_alive()
    if stage.options.verbose:
        print(f"      {number} of {total}", flush=True)


@cases.case("random mutations of commands")
def commands(stage):
    """Half of --mutations: well-formed commands with live handles, spoiled."""
    total = stage.options.mutations // 2
    rng = random.Random(f"{stage.options.seed}-commands")
    source, statuses, disconnected = None, collections.Counter(), 0
    for number in range(total):
        if number % CHECK_EVERY == 0:
            progress(stage, number, total)
        if source is None or number % REBUILD_EVERY == 0:
            if source:
                source.close()
            source = CommandSource(stage, rng)
        opcode, context, payload, count, descriptors = source.next()
        try:
            token = source.guest.send_descriptors(descriptors) if descriptors else source.wild_token()
            sequence = source.guest.next_sequence()
            source.guest.push(make_message(sequence, opcode, payload, context, token, count))
            reply = source.guest.reply(sequence, 10)
        except PeerGone:
            disconnected += 1
            source.close()
            source = None
            continue
        except TimeoutError as problem:
            raise Failure(f"mutation {number} (opcode {opcode}, context {context}, {count} bytes "
                          f"{payload.hex()}): {problem}") from problem
        statuses[reply.status] += 1
        source.learn(opcode, context, reply)
    if source:
        source.close()
    shown = ", ".join(f"{count} × {status}" for status, count in statuses.most_common())
    return f"{total} commands; statuses {shown}; {disconnected} disconnections"


class Target:
    """A side of the mutated traffic: its registered memory is the first half of a memfd, the rest is a guard."""

    HALF = 16384

    def __init__(self, context):
        self.context = context
        self.pd = context.alloc_pd()
        self.memory = Memory("target", 2 * self.HALF)
        region = context.attach_region(self.memory.descriptor)
        self.start = 0x7F0000000000
        self.lkey, self.rkey = context.reg_mr(self.pd, self.start, self.HALF, [(region, 0, self.HALF)])
        self.memory.write(self.HALF, b"\x5a" * self.HALF)
        self.cq = context.create_cq(256)
        self.qp = context.create_qp(self.pd, self.cq, entries=16, max_sge=4)

    def check_guard(self):
        """Not a byte beyond the memory region changed."""
        check(self.memory.read(self.HALF, self.HALF) == b"\x5a" * self.HALF, "memory beyond the region was written")


def random_send(rng, mine, other):
    """A good send request with its elements."""
    opcode = rng.randrange(7)
    count = rng.randrange(1, 4)
    length = 8 if opcode >= abi.WR_ATOMIC_CMP_AND_SWP else rng.choice((0, 1, 8, 64, 4096))
    elements = [abi.SGE(address=mine.start + rng.randrange(0, 8192, 8), length=length, lkey=mine.lkey)
                for _ in range(1 if opcode >= abi.WR_ATOMIC_CMP_AND_SWP else count)]
    entry = abi.SendWQE(wr_id=rng.getrandbits(64), opcode=opcode, flags=rng.getrandbits(4) & ~abi.SEND_INLINE,
                        sge_count=len(elements), remote_address=other.start, rkey=other.rkey)
    return bytes(entry) + b"".join(map(bytes, elements))


def random_receive(rng, mine):
    """A good receive request."""
    element = abi.SGE(address=mine.start + rng.randrange(0, 4096, 8), length=8192, lkey=mine.lkey)
    return bytes(abi.ReceiveWQE(sge_count=1)) + bytes(element)


@cases.case("random mutations of work requests")
def work_requests(stage):
    """The other half: batches of spoiled requests on a connected pair, which starts anew after each batch."""
    total = stage.options.mutations - stage.options.mutations // 2
    rng = random.Random(f"{stage.options.seed}-requests")
    mutator = Mutator(rng)
    sides = [Target(stage.context(memory_bytes=1 << 20)) for _ in range(2)]
    statuses = collections.Counter()
    done = checked = 0
    while done < total:
        if done >= checked + CHECK_EVERY:
            checked = done
            progress(stage, done, total)
        connect_pair(sides[0].qp, sides[1].qp, timeout=1, retry_count=0, rnr_retry=0)
        for mine, other in (sides, sides[::-1]):
            for index in range(8):
                data = random_receive(rng, mine)
                mine.qp.write_receive(index, mutator.spoil(data) if rng.random() < 0.1 else data)
            mine.qp.publish_receive(8)
            batch = rng.randrange(1, 9)
            for index in range(batch):
                data = random_send(rng, mine, other)
                mine.qp.write_send(index, mutator.spoil(data) if rng.random() < 0.3 else data)
            mine.qp.publish_send(batch if rng.random() < 0.98 else mutator.number(32))
            done += batch
        settle(sides)
        for side in sides:
            side.check_guard()
            for entry in iter(side.cq.poll_one, None):
                statuses[entry.status] += 1
            while side.context.async_event(0):
                pass
            side.qp.to_reset()
    shown = ", ".join(f"{count} {ibv.status_name(status)}" for status, count in statuses.most_common())
    return f"{done} requests; {shown}"


def settle(sides, timeout=10.0):
    """Waits until both queues are worked off, or their queue pairs are in error."""
    deadline = time.monotonic() + timeout
    for side in sides:
        while side.qp.consumed() != side.qp.send_tail and side.qp.state() != ibv.QPS_ERR:
            if time.monotonic() > deadline:
                raise Failure(f"a queue stands still at {side.qp.consumed()} of {side.qp.send_tail} in state "
                              f"{side.qp.state()}")
            time.sleep(0.0005)
