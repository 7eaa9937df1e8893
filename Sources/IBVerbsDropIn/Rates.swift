// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions bear the names of the C interface.

import CIBVerbsObjects

/// A static rate of a path, as the address vector encodes it (IBA 9.11.1, ibv_rate_to_mbps(3)).
private struct Rate {
    let code: ibv_rate
    /// The data rate in Mbit/s.
    let megabitsPerSecond: CInt
    /// The rate in units of 2.5 Gbit/s, as far as rdma-core gives one.
    let multiple: CInt?

    init(_ code: ibv_rate, megabitsPerSecond: CInt, multiple: CInt?) {
        self.code = code
        self.megabitsPerSecond = megabitsPerSecond
        self.multiple = multiple
    }

    static let all = [
        Rate(IBV_RATE_2_5_GBPS, megabitsPerSecond: 2500, multiple: 1),
        Rate(IBV_RATE_5_GBPS, megabitsPerSecond: 5000, multiple: 2),
        Rate(IBV_RATE_10_GBPS, megabitsPerSecond: 10_000, multiple: 4),
        Rate(IBV_RATE_20_GBPS, megabitsPerSecond: 20_000, multiple: 8),
        Rate(IBV_RATE_30_GBPS, megabitsPerSecond: 30_000, multiple: 12),
        Rate(IBV_RATE_40_GBPS, megabitsPerSecond: 40_000, multiple: 16),
        Rate(IBV_RATE_60_GBPS, megabitsPerSecond: 60_000, multiple: 24),
        Rate(IBV_RATE_80_GBPS, megabitsPerSecond: 80_000, multiple: 32),
        Rate(IBV_RATE_120_GBPS, megabitsPerSecond: 120_000, multiple: 48),
        Rate(IBV_RATE_14_GBPS, megabitsPerSecond: 14_062, multiple: nil),
        Rate(IBV_RATE_56_GBPS, megabitsPerSecond: 56_250, multiple: nil),
        Rate(IBV_RATE_112_GBPS, megabitsPerSecond: 112_500, multiple: nil),
        Rate(IBV_RATE_168_GBPS, megabitsPerSecond: 168_750, multiple: nil),
        Rate(IBV_RATE_25_GBPS, megabitsPerSecond: 25_781, multiple: nil),
        Rate(IBV_RATE_100_GBPS, megabitsPerSecond: 103_125, multiple: nil),
        Rate(IBV_RATE_200_GBPS, megabitsPerSecond: 206_250, multiple: nil),
        Rate(IBV_RATE_300_GBPS, megabitsPerSecond: 309_375, multiple: nil),
        Rate(IBV_RATE_28_GBPS, megabitsPerSecond: 28_125, multiple: 11),
        Rate(IBV_RATE_50_GBPS, megabitsPerSecond: 53_125, multiple: 20),
        Rate(IBV_RATE_400_GBPS, megabitsPerSecond: 425_000, multiple: 160),
        Rate(IBV_RATE_600_GBPS, megabitsPerSecond: 637_500, multiple: 240),
        Rate(IBV_RATE_800_GBPS, megabitsPerSecond: 850_000, multiple: 320),
        Rate(IBV_RATE_1200_GBPS, megabitsPerSecond: 1_275_000, multiple: 480),
    ]
}

/// Mbit/s of a rate; -1 for an unknown one (ibv_rate_to_mbps(3)).
@c @implementation public func ibv_rate_to_mbps(_ rate: ibv_rate) -> CInt {
    Rate.all.first { $0.code == rate }?.megabitsPerSecond ?? -1
}

/// The rate of exactly this many Mbit/s, else `IBV_RATE_MAX` (mbps_to_ibv_rate(3)).
@c @implementation public func mbps_to_ibv_rate(_ mbps: CInt) -> ibv_rate {
    Rate.all.first { $0.megabitsPerSecond == mbps }?.code ?? IBV_RATE_MAX
}

/// A rate in units of 2.5 Gbit/s; -1 for one that has none (ibv_rate_to_mult(3)).
@c @implementation public func ibv_rate_to_mult(_ rate: ibv_rate) -> CInt {
    Rate.all.first { $0.code == rate }?.multiple ?? -1
}

/// The rate of a multiple of 2.5 Gbit/s, else `IBV_RATE_MAX` (mult_to_ibv_rate(3)).
@c @implementation public func mult_to_ibv_rate(_ mult: CInt) -> ibv_rate {
    Rate.all.first { $0.multiple == mult }?.code ?? IBV_RATE_MAX
}
