// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions bear the names of the C interface.

import CIBVerbsObjects

// A child gets private copies of registered memory by itself: nothing has to be prepared, and no page is ever kept
// out of a fork.

/// Prepares for fork(2); nothing to do (ibv_fork_init(3)).
@c @implementation public func ibv_fork_init() -> CInt { 0 }

/// Preparing for fork(2) is not needed (ibv_is_fork_initialized(3)).
@c @implementation public func ibv_is_fork_initialized() -> ibv_fork_status { IBV_FORK_UNNEEDED }

/// Keeps memory out of a fork in rdma-core; nothing to do.
@c(ibv_dontfork_range) public func keepRangeFromFork(_ base: UnsafeMutableRawPointer?, _ size: Int) -> CInt { 0 }

/// Undoes `ibv_dontfork_range`; nothing to do.
@c(ibv_dofork_range) public func letRangeFork(_ base: UnsafeMutableRawPointer?, _ size: Int) -> CInt { 0 }
