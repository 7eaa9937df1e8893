import Testing

@testable import VRDMA

@Suite struct WaitingRoomTests {
    @Test func aSignalBeforeTheWaitIsNotLost() async {
        let room = WaitingRoom()
        let generation = room.generation
        room.signal()
        await room.wait(after: generation)
    }

    @Test func aSignalWakesEverybody() async {
        let room = WaitingRoom()
        let generation = room.generation
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { await room.wait(after: generation) } }
            group.addTask {
                for _ in 0..<100 { await Task.yield() }
                room.signal()
            }
            await group.waitForAll()
        }
    }

    @Test func cancellationEndsTheWait() async {
        let room = WaitingRoom()
        let generation = room.generation
        let early = Task { await room.wait(after: generation) }
        early.cancel()
        await early.value
        let late = Task { await room.wait(after: room.generation) }
        for _ in 0..<100 { await Task.yield() }
        late.cancel()
        await late.value
    }
}
