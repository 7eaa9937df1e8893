/// How the endpoint passes the time without work: it first keeps its processor, then offers it to others between looks,
/// and at last sleeps until somebody kicks.
///
/// A value without clock or system calls, so that each choice can be tested.
struct IdlePolicy {
    /// What to do before the next look.
    enum Step: Equatable {
        /// Look again at once.
        case spin
        /// Let others run, then look again.
        case yield
        /// Sleep until a kick or the next deadline.
        case sleep
    }

    /// Time without work after which the endpoint sleeps.
    let idleSpinNanoseconds: UInt64
    /// Looks before the processor is offered to others.
    static let spinsBeforeYield: UInt32 = 32
    /// The part of the time before sleep in which the processor is kept, at most.
    static let shareOfSpinning: UInt64 = 4
    /// Looks before that when the last yield let somebody run: an application that waits on this processor should not wait
    /// long, yet an answer from another processor is there within a microsecond.
    static let spinsWhenShared: UInt32 = 8
    /// A yield without anybody to yield to takes less.
    static let switchNanoseconds: UInt64 = 800
    /// A yield that took so long means that somebody computes on this processor without ever waiting, as programs do
    /// that poll their own memory. Then only a wake-up brings the endpoint back quickly, and it had better sleep.
    static let longYieldNanoseconds: UInt64 = 200_000
    /// How long it is believed to be so at first: programs compute for a while before they wait for messages. Each time
    /// that the next yield is as long again, it is believed for twice the time, up to the longest.
    static let crowdedNanoseconds: UInt64 = 10_000_000
    static let longestCrowdedNanoseconds: UInt64 = 1_000_000_000
    /// Looks before it sleeps meanwhile.
    static let spinsWhenCrowded: UInt32 = 4

    private var idleSinceNanoseconds: UInt64?
    private var idleLooks: UInt32 = 0
    private var crowdedUntilNanoseconds: UInt64 = 0
    private var nextCrowdedNanoseconds = crowdedNanoseconds
    private var sharesProcessor = false

    init(idleSpinNanoseconds: UInt64) {
        self.idleSpinNanoseconds = idleSpinNanoseconds
    }

    /// There was work.
    mutating func didWork() {
        idleSinceNanoseconds = nil
        idleLooks = 0
    }

    /// There was none.
    mutating func next(now: UInt64) -> Step {
        guard let since = idleSinceNanoseconds else {
            idleSinceNanoseconds = now
            idleLooks = 1
            return .spin
        }
        idleLooks &+= 1
        let isCrowded = now < crowdedUntilNanoseconds
        if now &- since >= idleSpinNanoseconds || (isCrowded && idleLooks > Self.spinsWhenCrowded) { return .sleep }
        // Where looks are slow, time counts: an endpoint that never yields does not learn that others wait for it.
        let hasSpunEnough =
            idleLooks > (sharesProcessor ? Self.spinsWhenShared : Self.spinsBeforeYield)
            || now &- since >= idleSpinNanoseconds / Self.shareOfSpinning
        return hasSpunEnough ? .yield : .spin
    }

    /// How long a yield took until this thread ran again, at `now`.
    mutating func didYield(nanoseconds: UInt64, now: UInt64) {
        sharesProcessor = nanoseconds > Self.switchNanoseconds
        if nanoseconds > Self.longYieldNanoseconds {
            crowdedUntilNanoseconds = now &+ nextCrowdedNanoseconds
            nextCrowdedNanoseconds = min(2 * nextCrowdedNanoseconds, Self.longestCrowdedNanoseconds)
        } else {
            nextCrowdedNanoseconds = Self.crowdedNanoseconds
        }
    }

    /// Slept, and woke up.
    mutating func didSleep() {
        idleSinceNanoseconds = nil
        idleLooks = 0
    }
}
