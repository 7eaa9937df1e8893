// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions bear the names of the C interface.

import CIBVerbsObjects
import CVRDMAABI
import Glibc
import Provider
import Verbs

/// A GID; an empty entry is all zeros (ibv_query_gid(3)).
@c @implementation public func ibv_query_gid(
    _ context: UnsafeMutablePointer<ibv_context>?, _ port_num: UInt8, _ index: CInt,
    _ gid: UnsafeMutablePointer<ibv_gid>?
) -> CInt {
    guard let context, let gid, let index = UInt32(exactly: index) else {
        return failing(.invalidArgument, with: -1)
    }
    do {
        gid.pointee = try tableEntry(context, UInt32(port_num), index).gid
        return 0
    } catch {
        return failing(error, with: -1)
    }
}

/// The RoCE version of a GID as sysfs has it: 0 for IB and RoCE v1, 1 for RoCE v2.
@c(ibv_query_gid_type) public func queryGIDType(
    _ context: UnsafeMutablePointer<ibv_context>?, _ portNumber: UInt8, _ index: CUnsignedInt,
    _ type: UnsafeMutablePointer<CUnsignedInt>?
) -> CInt {
    guard let context, let type else { return failing(.invalidArgument, with: -1) }
    do {
        let entry = try tableEntry(context, UInt32(portNumber), index)
        type.pointee = entry.gid_type == IBV_GID_TYPE_ROCE_V2.rawValue && !entry.isEmpty ? 1 : 0
        return 0
    } catch {
        return failing(error, with: -1)
    }
}

/// A GID with its type (ibv_query_gid_ex(3)).
@c @implementation public func _ibv_query_gid_ex(
    _ context: UnsafeMutablePointer<ibv_context>?, _ port_num: UInt32, _ gid_index: UInt32,
    _ entry: UnsafeMutablePointer<ibv_gid_entry>?, _ flags: UInt32, _ entry_size: Int
) -> CInt {
    guard let context, let entry, entry_size > 0 else { return failing(.invalidArgument) }
    guard flags == 0 else { return failing(.notSupported) }
    do {
        let found = try tableEntry(context, port_num, gid_index)
        if found.isEmpty { return failing(Errno(rawValue: ENODATA)) }
        found.copy(to: entry, sizeBytes: entry_size)
        return 0
    } catch {
        return failing(error)
    }
}

/// All GIDs with their types; the number of them, or a negative errno value (ibv_query_gid_table(3)).
@c @implementation public func _ibv_query_gid_table(
    _ context: UnsafeMutablePointer<ibv_context>?, _ entries: UnsafeMutablePointer<ibv_gid_entry>?,
    _ max_entries: Int, _ flags: UInt32, _ entry_size: Int
) -> Int {
    guard let context, let entries, entry_size > 0, max_entries >= 0 else { return negative(.invalidArgument) }
    guard flags == 0 else { return negative(.notSupported) }
    do throws(Errno) {
        guard let opened = provider(of: context) else { throw .inputOutput }
        let ports = try opened.queryDevice().port_count
        var count = 0
        for port in 0..<UInt8(clamping: ports) {
            for index in 0..<(try opened.queryPort(port &+ 1).gid_table_entries) {
                let found = try tableEntry(context, UInt32(port) + 1, index)
                if found.isEmpty { continue }
                guard count < max_entries else { return negative(.invalidArgument) }
                found.copy(to: UnsafeMutableRawPointer(entries) + count * entry_size, sizeBytes: entry_size)
                count += 1
            }
        }
        return count
    } catch {
        return negative(error)
    }
}

private func negative(_ error: Errno) -> Int { failing(error, with: -Int(error.rawValue)) }

private func tableEntry(
    _ context: UnsafeMutablePointer<ibv_context>, _ portNumber: UInt32, _ index: UInt32
) throws(Errno) -> ibv_gid_entry {
    guard let opened = provider(of: context) else { throw Errno.inputOutput }
    guard let port = UInt8(exactly: portNumber), let shortIndex = UInt16(exactly: index) else {
        throw Errno.invalidArgument
    }
    var reply = try opened.queryGID(index: shortIndex, port: port)
    var entry = ibv_gid_entry()
    memcpy(&entry.gid, &reply.gid, MemoryLayout<ibv_gid>.size)
    entry.gid_index = index
    entry.port_num = portNumber
    entry.gid_type = reply.gid_type
    return entry
}

extension ibv_gid_entry {
    fileprivate var isEmpty: Bool { gid.global.subnet_prefix == 0 && gid.global.interface_id == 0 }

    fileprivate func copy(to destination: UnsafeMutableRawPointer, sizeBytes: Int) {
        var entry = self
        memset(destination, 0, sizeBytes)
        memcpy(destination, &entry, min(sizeBytes, MemoryLayout<ibv_gid_entry>.size))
    }
}
