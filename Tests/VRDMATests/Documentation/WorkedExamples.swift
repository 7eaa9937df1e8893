import VRDMA

/// The code of docs/swift-client.md. `DocumentationTests` runs it and compares the document with it.
enum WorkedExamples {
    /// Stands for the exchange by other means that every RDMA program needs.
    typealias Exchange<Value> = (Value) async throws -> Value

    static func sendAndReceive(
        _ device: Device, _ exchange: Exchange<QueuePair.Endpoint>, meet: () async throws -> Void
    ) async throws -> [UInt8] {
        let domain = try ProtectionDomain(device)
        let completions = try CompletionQueue(device)
        let queuePair = try QueuePair(domain, sendCompletionQueue: completions)
        let outgoing = try RegisteredBuffer(domain, byteCount: 4096)
        let incoming = try RegisteredBuffer(domain, byteCount: 4096)

        // What shall be received is posted before the peer can send.
        try queuePair.initialize()
        try queuePair.post(ReceiveRequest(incoming[...], identifier: 1))

        // The peer does the same. How both learn of each other is up to the program.
        let peer = try await exchange(queuePair.endpoint)
        try queuePair.connect(to: peer)
        try await meet()

        let text = Array("hello from \(device.guestName)".utf8)
        outgoing.withUnsafeMutableBytes { $0.copyBytes(from: text) }
        try queuePair.post(.send(outgoing[0..<text.count], identifier: 2))

        // Two completions: of what was sent, and of what was received.
        var received: [UInt8] = []
        for _ in 0..<2 {
            let completion = try await completions.next()
            guard completion.isSuccess else { throw completion.status }
            if completion.isReceive {
                received = incoming.withUnsafeBytes { Array($0.prefix(Int(completion.byteCount))) }
            }
        }
        try await meet()
        return received
    }

    static func writeAndRead(_ queuePair: QueuePair, _ local: RegisteredBuffer, _ peer: RemoteMemory) throws {
        let completions = queuePair.sendCompletionQueue
        local.store(42 as UInt64)
        try queuePair.post(.write(local[0..<8], to: peer))
        try queuePair.post(.read(into: local[8..<16], from: peer, identifier: 1, flags: [.signaled, .fence]))
        try queuePair.post(.fetchAndAdd(into: local[16..<24], at: peer, add: 1, identifier: 2))

        var pending = 3
        var found = [WorkCompletion](repeating: WorkCompletion(), count: 16)
        while pending > 0 {
            let count = completions.poll(into: &found)
            for completion in found.prefix(count) {
                guard completion.isSuccess else { throw completion.status }
                pending -= 1
            }
        }
    }

    static func stream(_ queuePair: QueuePair, _ local: RegisteredBuffer, _ peer: RemoteMemory) throws {
        let completions = queuePair.sendCompletionQueue
        let depth = 64
        var found = [WorkCompletion](repeating: WorkCompletion(), count: 16)
        var request = WorkRequest.write(local[0..<64], to: peer)
        var posted = 0
        var completed = 0
        while completed < 10_240 {
            while posted < 10_240, posted - completed < depth {
                posted += 1
                // Every 16th request tells of itself and of those before it.
                request.flags = posted % 16 == 0 ? .signaled : []
                try queuePair.post(request)
            }
            let count = completions.poll(into: &found)
            for index in 0..<count {
                guard found[index].isSuccess else { throw found[index].status }
                completed += 16
            }
        }
    }

    static func blockingThread(_ device: Device, _ domain: ProtectionDomain) throws -> CompletionQueue {
        let channel = try CompletionChannel(device)
        let completions = try CompletionQueue(device, notification: .channel(channel))
        return completions
    }

    static func nextBlocking(_ completions: CompletionQueue, _ channel: CompletionChannel) throws -> WorkCompletion {
        while true {
            completions.arm()
            if let completion = completions.poll() { return completion }
            _ = try channel.nextEvent()
        }
    }

    static func watch(_ device: Device) async throws -> AsyncEvent? {
        for try await event in device.events {
            if event.type == .deviceFatal { return event }
        }
        return nil
    }

    static func full(_ queuePair: QueuePair, _ request: WorkRequest) throws -> Bool {
        do {
            try queuePair.post(request)
            return false
        } catch let error where error.code == .outOfMemory {
            // The send queue is full. Polling completions makes room.
            return true
        }
    }

    static func ownMemory(_ domain: ProtectionDomain, _ memory: UnsafeMutableRawBufferPointer) throws -> MemoryRegion {
        // The program keeps `memory` mapped until the region is gone.
        try MemoryRegion(domain, unsafeMemory: memory, access: [.localWrite, .remoteRead])
    }
}
