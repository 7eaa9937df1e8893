import Testing
import VRDMA

extension IntegrationTests {
    /// Requests that fail when they are executed, and what follows.
    @Suite struct CompletionErrorTests {
        private func expect(
            _ status: WorkCompletionStatus, _ access: AccessFlags = Side.everything,
            _ options: QueuePair.ConnectionOptions = QueuePair.ConnectionOptions(),
            _ request: (RegisteredBuffer, RegisteredBuffer) -> WorkRequest
        ) throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"), options: options)
            let local = try pair.first.buffer(64)
            let remote = try pair.second.buffer(64, access)
            var first = request(local, remote)
            first.identifier = 1
            try pair.first.queuePair.post(first)
            try pair.first.queuePair.post(.write(local[0..<8], to: remote.remote, identifier: 2))
            let failed = try pair.first.completion()
            #expect(failed.status == status && failed.identifier == 1)
            let flushed = try pair.first.completion()
            #expect(flushed.status == .flushError && flushed.identifier == 2)
            #expect(try pair.first.queuePair.query().state == .error)
            #expect(pair.first.queuePair.state == .error)
        }

        @Test func aRightThatTheRegionLacks() throws {
            try expect(.remoteAccessError, .localWrite) { .write($0[...], to: $1.remote) }
            try expect(.remoteAccessError, [.localWrite, .remoteWrite]) { .read(into: $0[...], from: $1.remote) }
            try expect(.remoteAccessError, [.localWrite, .remoteWrite]) {
                .fetchAndAdd(into: $0[0..<8], at: $1.remote, add: 1)
            }
        }

        @Test func aRightThatTheQueuePairLacks() throws {
            var options = QueuePair.ConnectionOptions()
            options.access = [.localWrite, .remoteRead]
            // The responder's queue pair does not take such requests at all (ibv_poll_cq(3)).
            try expect(.remoteInvalidRequestError, Side.everything, options) { .write($0[...], to: $1.remote) }
        }

        @Test func bounds() throws {
            try expect(.remoteAccessError) { .write($0[...], to: $1.remote.advanced(by: 1)) }
            try expect(.remoteAccessError) { .write($0[0..<1], to: $1.remote.advanced(by: -1)) }
            try expect(.localProtectionError) { .write($0[1..<65], to: $1.remote) }
        }

        @Test func aKeyThatThereIsNot() throws {
            try expect(.remoteAccessError) { local, remote in
                .write(
                    local[...],
                    to: RemoteMemory(
                        address: remote.remote.address, key: MemoryKey(rawValue: remote.remote.key.rawValue ^ 0x5500)))
            }
        }

        @Test func anAtomicAtAnOddAddress() throws {
            try expect(.remoteInvalidRequestError) {
                .fetchAndAdd(into: $0[0..<8], at: $1.remote.advanced(by: 4), add: 1)
            }
        }

        @Test func memoryOfAnotherDomain() throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let other = try ProtectionDomain(pair.first.device)
            let foreign = try RegisteredBuffer(other, byteCount: 8)
            let target = try pair.second.buffer(8)
            try pair.first.queuePair.post(.write(foreign[...], to: target.remote))
            #expect(try pair.first.completion().status == .localProtectionError)
        }

        @Test func nobodyReceives() throws {
            let installation = try Installation()
            var options = QueuePair.ConnectionOptions()
            options.receiverNotReadyRetryCount = 1
            options.receiverNotReadyTimer = 1
            let pair = try Pair(installation.open("a"), installation.open("b"), options: options)
            let buffer = try pair.first.buffer(8)
            try pair.first.queuePair.post(.send(buffer[...]))
            #expect(try pair.first.completion().status == .receiverNotReadyRetryExceeded)
        }

        @Test func aReceiveRequestThatIsTooShort() throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let source = try pair.first.buffer(16)
            let target = try pair.second.buffer(8)
            try pair.second.queuePair.post(ReceiveRequest(target[...]))
            try pair.first.queuePair.post(.send(source[...]))
            #expect(try pair.first.completion().status == .remoteInvalidRequestError)
            #expect(try pair.second.completion().status == .localLengthError)
        }

        @Test func anErrorFlushesInOrder() throws {
            let installation = try Installation()
            let pair = try Pair(installation.open("a"), installation.open("b"))
            let buffer = try pair.first.buffer(8)
            try pair.first.queuePair.post(
                (0..<20).map { ReceiveRequest(buffer[...], identifier: UInt64($0)) })
            try pair.first.queuePair.modify(QueuePairAttributes(state: .error))
            for identifier in 0..<20 as Range<UInt64> {
                let flushed = try pair.first.completion()
                #expect(flushed.status == .flushError && flushed.identifier == identifier && flushed.isReceive)
            }
            try pair.first.queuePair.post(.write(buffer[...], to: buffer.remote, identifier: 99))
            #expect(try pair.first.completion().identifier == 99)
            // From RESET it can be connected again.
            try pair.first.queuePair.modify(QueuePairAttributes(state: .reset))
            try pair.second.queuePair.modify(QueuePairAttributes(state: .reset))
            try pair.connect()
            let target = try pair.second.buffer(8)
            try pair.first.queuePair.post(.write(buffer[...], to: target.remote))
            #expect(try pair.first.completion().isSuccess)
        }
    }
}
