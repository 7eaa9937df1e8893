// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions bear the names of the C interface.

import CIBVerbsObjects
import Glibc
import LinuxIO
import Verbs

/// Where sysfs is mounted.
@c(ibv_get_sysfs_path) public func sysfsPath() -> UnsafePointer<CChar>? { staticText("/sys") }

/// Reads a file below a directory of sysfs into `buffer`, without its last newline and ended by a zero.
///
/// The device exists in no kernel, so that its own directory is answered from what it knows. Returns the number of
/// bytes, or -1 with errno.
@c(ibv_read_sysfs_file) public func readSysfsFile(
    _ directory: UnsafePointer<CChar>?, _ file: UnsafePointer<CChar>?, _ buffer: UnsafeMutablePointer<CChar>?,
    _ sizeBytes: Int
) -> CInt {
    guard let directory, let file, let buffer, sizeBytes > 0 else { return failing(.invalidArgument, with: -1) }
    let directoryText = String(cString: directory)
    let fileText = String(cString: file)
    if directoryText == VisibleDevice.sysfsDirectory {
        guard let text = VisibleDevice.attribute(fileText) else { return failing(.noSuchFile, with: -1) }
        guard text.utf8.count < sizeBytes else { return failing(.outOfRange, with: -1) }
        write(text, into: buffer, capacity: sizeBytes)
        return CInt(truncatingIfNeeded: text.utf8.count)
    }
    return readRealFile(directoryText + "/" + fileText, buffer, sizeBytes)
}

private func readRealFile(_ path: String, _ buffer: UnsafeMutablePointer<CChar>, _ sizeBytes: Int) -> CInt {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return -1 }
    let count = read(descriptor, buffer, sizeBytes)
    let readError = errno
    close(descriptor)
    guard count >= 0 else { return failing(Errno(rawValue: readError), with: -1) }
    guard count > 0 else { return 0 }
    let newline = CChar(bitPattern: UInt8(ascii: "\n"))
    if buffer[count - 1] == newline {
        buffer[count - 1] = 0
        return CInt(truncatingIfNeeded: count - 1)
    }
    // A text that fills the buffer has no room for its zero.
    guard count < sizeBytes else { return failing(.outOfRange, with: -1) }
    buffer[count] = 0
    return CInt(truncatingIfNeeded: count)
}
