import SharedMemory
import Tables
import Verbs

/// The engine: finds the queue pairs that have work and gives each its turn.
extension Device {
    /// One turn: doorbells, active queue pairs, timers, notifications. Returns how many things there were to do.
    ///
    /// - Parameter now: CLOCK_MONOTONIC in nanoseconds.
    package func poll(now: UInt64) -> Int {
        turn.nowNanoseconds = now
        turn.turnCount &+= 1
        var work = serveGuests()
        if let host {
            work &+= takeHostCompletions(host)
            if host.nextPortCheckNanoseconds != nil { checkPort(host) }
        }
        if now >= turn.nextDeadlineNanoseconds { work &+= checkWaiting() }
        if !dirty.isEmpty { notifyCompletionQueues() }
        return work
    }

    /// When `poll` has to be called again although nobody rang: a time in nanoseconds, nil for never.
    package var nextDeadlineNanoseconds: UInt64? {
        let next = min(
            turn.nextDeadlineNanoseconds, host?.adapter.nextDeadlineNanoseconds ?? .max,
            host?.nextPortCheckNanoseconds ?? .max)
        return next == .max ? nil : next
    }

    package var turnCount: UInt64 { turn.turnCount }
    /// Up to so many contexts are looked at in each turn however long they are quiet.
    private static var contextsKeptHot: Int { 8 }
    private static var idleTurnsOfHotContext: UInt32 { 1024 }

    private func serveGuests() -> Int {
        var work = 0
        var position = 0
        while position < runnable.count {
            let schedule = runnable[position]
            if !schedules[schedule].hot.isEmpty { work &+= takeDoorbells(schedule) }
            if !schedules[schedule].active.isEmpty { work &+= serveActive(schedule) }
            if schedules[schedule].isEmpty {
                schedules[schedule].isRunnable = false
                runnable.removeSwapping(at: position)
            } else {
                position &+= 1
            }
        }
        return work
    }

    private func makeRunnable(_ schedule: UInt32) {
        guard !schedules[schedule].isRunnable else { return }
        schedules[schedule].isRunnable = true
        runnable.append(schedule)
    }

    private func takeDoorbells(_ schedule: UInt32) -> Int {
        let hot = schedules[schedule].hot
        var work = 0
        var position = schedules[schedule].nextHot
        for _ in 0..<min(hot.count, limits.contextsPerGuestTurn) {
            if position >= hot.count { position = 0 }
            let context = hot[position]
            let slots = contexts[context].slots
            let taken = contexts[context].doorbells.take(limit: limits.doorbellsPerTurn) { bit in
                let slot = Int(bit >> 1)
                guard slot < slots.count, slots[slot] != .max else { return }
                self.answerDoorbell(queuePair: slots[slot], isReceive: bit & 1 == 1)
            }
            work &+= taken
            if taken > 0 {
                contexts[context].idleTurns = 0
            } else {
                contexts[context].idleTurns &+= 1
                if turn.hotContextCount > Self.contextsKeptHot,
                    contexts[context].idleTurns > Self.idleTurnsOfHotContext, cool(context)
                {
                    hot.removeSwapping(at: position)
                    continue
                }
            }
            position &+= 1
        }
        schedules[schedule].nextHot = position
        return work
    }

    private func answerDoorbell(queuePair index: UInt32, isReceive: Bool) {
        if isReceive, queuePairs[index].waiterForReceive != 0 {
            let waiter = queuePairs[index].waiterForReceive &- 1
            queuePairs[index].waiterForReceive = 0
            queuePairs[index].receive.doorbellWanted.storeRelaxed(0)
            if queuePairs.isLive(waiter), queuePairs[waiter].wait == .receiverNotReady {
                queuePairs[waiter].wait = .none
                activate(waiter)
            }
        }
        if !isReceive || queuePairs[index].state == .error || queuePairs[index].path == .host { activate(index) }
    }

    /// Puts a queue pair among those that are looked at in every turn.
    func activate(_ index: UInt32) {
        queuePairs[index].idlePolls = 0
        guard !queuePairs[index].isActive else { return }
        queuePairs[index].isActive = true
        queuePairs[index].send.doorbellWanted.storeRelaxed(0)
        if queuePairs[index].path == .host { queuePairs[index].receive.doorbellWanted.storeRelaxed(0) }
        let active = schedules[queuePairs[index].schedule].active
        queuePairs[index].activePosition = UInt32(truncatingIfNeeded: active.count)
        active.append(index)
        makeRunnable(queuePairs[index].schedule)
    }

    private func serveActive(_ schedule: UInt32) -> Int {
        let active = schedules[schedule].active
        var work = 0
        var position = schedules[schedule].nextActive
        let patience = max(4, limits.idlePollsPerQueuePair / UInt32(truncatingIfNeeded: max(1, active.count)))
        turn.requestsLeft = limits.workRequestsPerGuestTurn
        turn.bytesLeft = limits.bytesPerGuestTurn
        for _ in 0..<min(active.count, limits.queuePairsPerGuestTurn) {
            if position >= active.count { position = 0 }
            let index = active[position]
            if serve(index) {
                queuePairs[index].idlePolls = 0
                work &+= 1
            } else {
                queuePairs[index].idlePolls &+= 1
                let isBlocked = queuePairs[index].wait != .none
                if isBlocked || (queuePairs[index].idlePolls > patience && deactivate(index)) {
                    if isBlocked { queuePairs[index].isActive = false }
                    unlistActive(at: UInt32(truncatingIfNeeded: position), of: schedule)
                    continue
                }
            }
            position &+= 1
            if turn.requestsLeft <= 0 || turn.bytesLeft == 0 { break }
        }
        schedules[schedule].nextActive = position
        return work
    }

    /// Asks for a doorbell. False when work arrived just before the application could see that.
    private func deactivate(_ index: UInt32) -> Bool {
        queuePairs[index].send.doorbellWanted.exchange(1)
        if queuePairs[index].state == .error || queuePairs[index].path == .host {
            queuePairs[index].receive.doorbellWanted.exchange(1)
        }
        guard !hasWork(index) else {
            queuePairs[index].send.doorbellWanted.storeRelaxed(0)
            if queuePairs[index].path == .host { queuePairs[index].receive.doorbellWanted.storeRelaxed(0) }
            queuePairs[index].idlePolls = 0
            return false
        }
        queuePairs[index].isActive = false
        return true
    }

    private func hasWork(_ index: UInt32) -> Bool {
        if queuePairs[index].path == .host { return hasWorkForHost(index) }
        return switch queuePairs[index].state {
        case .readyToSend:
            queuePairs[index].send.tail.acquire() != queuePairs[index].sendHead
        case .error:
            queuePairs[index].send.tail.acquire() != queuePairs[index].sendHead
                || queuePairs[index].receive.entryCount > 0
                    && queuePairs[index].receive.tail.acquire() != queuePairs[index].receiveHead
        case .sendQueueDrained: queuePairs[index].isDraining
        default: false
        }
    }

    /// A queue pair's turn. False when it had nothing to do.
    @inline(__always)
    private func serve(_ index: UInt32) -> Bool {
        if queuePairs[index].path == .host { return forward(index) }
        return switch queuePairs[index].state {
        case .readyToSend:
            queuePairs[index].wait == .none && serveSendQueue(index)
        case .sendQueueDrained:
            queuePairs[index].wait == .none && finishDraining(index)
        case .error:
            flush(index)
        default: false
        }
    }

    /// Stops looking by itself at everything, so that the caller may sleep. False when there is work after all.
    package func prepareToSleep() -> Bool {
        var isQuiet = host?.adapter.prepareToSleep() ?? true
        for position in 0..<runnable.count {
            let schedule = runnable[position]
            if !quietActive(schedule) { isQuiet = false }
            if !quietHot(schedule) { isQuiet = false }
        }
        return isQuiet
    }

    private func quietActive(_ schedule: UInt32) -> Bool {
        let active = schedules[schedule].active
        var position = 0
        while position < active.count {
            if deactivate(active[position]) {
                unlistActive(at: UInt32(truncatingIfNeeded: position), of: schedule)
            } else {
                position &+= 1
            }
        }
        return active.isEmpty
    }

    private func quietHot(_ schedule: UInt32) -> Bool {
        let hot = schedules[schedule].hot
        var position = 0
        while position < hot.count {
            if cool(hot[position]) { hot.removeSwapping(at: position) } else { position &+= 1 }
        }
        return hot.isEmpty
    }

    /// Takes the queue pair at a position out of its guest's list.
    func unlistActive(at position: UInt32, of schedule: UInt32) {
        let active = schedules[schedule].active
        active.removeSwapping(at: Int(position))
        if Int(position) < active.count { queuePairs[active[Int(position)]].activePosition = position }
    }

    /// Asks for a kick with the next doorbell. False when a bell was rung just before.
    private func cool(_ context: UInt32) -> Bool {
        contexts[context].doorbells.kickWanted.exchange(1)
        contexts[context].doorbells.endpointProcessor.storeRelaxed(0)
        guard !contexts[context].doorbells.isAnyRung else {
            contexts[context].doorbells.kickWanted.storeRelaxed(0)
            return false
        }
        contexts[context].isHot = false
        turn.hotContextCount &-= 1
        return true
    }

    /// Looks at a context's doorbells from now on: its application has kicked.
    package func wake(context: UInt32) {
        guard contexts.isLive(context), !contexts[context].isHot else { return }
        contexts[context].isHot = true
        contexts[context].idleTurns = 0
        contexts[context].doorbells.kickWanted.storeRelaxed(0)
        turn.hotContextCount &+= 1
        schedules[contexts[context].schedule].hot.append(context)
        makeRunnable(contexts[context].schedule)
    }

    /// Tells applications which processor the endpoint runs on, by which they choose how to wait.
    package func publish(processor: UInt32) {
        for position in 0..<runnable.count {
            let hot = schedules[runnable[position]].hot
            for place in 0..<hot.count {
                contexts[hot[place]].doorbells.endpointProcessor.storeRelaxed(processor &+ 1)
            }
        }
    }
}
