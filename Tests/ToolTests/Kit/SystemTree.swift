import Glibc
import LinuxIO
import Verbs

@testable import vrdma

/// The files of a system that does not exist, below a temporary directory.
final class SystemTree {
    private let directory: String

    var files: SystemFiles { SystemFiles(root: directory) }

    init() throws {
        var template = Array("/tmp/vrdma-system-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno.current }
        directory = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        Self.remove(directory)
    }

    /// Makes a file with all directories on its way.
    func write(_ path: String, _ text: String = "", mode: mode_t = 0o644) throws {
        makeDirectories(FileSystem.directory(of: path))
        let file = FileDescriptor(taking: try check { open(directory + path, O_WRONLY | O_CREAT | O_TRUNC, mode) })
        let bytes = Array(text.utf8)
        _ = try check { Glibc.write(file.rawValue, bytes, bytes.count) }
        _ = try check { chmod(directory + path, mode) }
    }

    func link(_ path: String, to target: String) throws {
        makeDirectories(FileSystem.directory(of: path))
        _ = try check { symlink(target, directory + path) }
    }

    func remove(_ path: String) {
        Self.remove(directory + path)
    }

    /// What every Debian with rdma-core and rxe in its kernel has.
    func addSoftRoCE() throws {
        try write("/proc/sys/kernel/osrelease", "6.1.0-56-amd64\n")
        try write("/lib/modules/6.1.0-56-amd64/kernel/drivers/infiniband/core/ib_uverbs.ko")
        try write("/lib/modules/6.1.0-56-amd64/kernel/drivers/infiniband/sw/rxe/rdma_rxe.ko")
        try write("/usr/lib/x86_64-linux-gnu/libibverbs.so.1")
        try write("/usr/lib/x86_64-linux-gnu/libibverbs/librxe-rdmav34.so")
        try write("/etc/libibverbs.d/rxe.driver", "driver rxe\n")
        try write("/usr/bin/rdma")
        try write("/sys/class/net/lo/mtu", "65536\n")
        try write("/sys/class/net/eth0/mtu", "1500\n")
    }

    /// A device as rxe makes it.
    func addDevice(
        _ name: String = "rxe0", state: String = "4: ACTIVE",
        addresses: [String] = ["fe80:0000:0000:0000:5054:00ff:fe09:0001", "0000:0000:0000:0000:0000:ffff:0a09:0001"]
    ) throws {
        let device = "/sys/class/infiniband/\(name)"
        try write("/sys/module/ib_uverbs/refcnt", "1\n")
        try write("/sys/module/rdma_rxe/refcnt", "1\n")
        try write("\(device)/parent", "eth0\n")
        try write("\(device)/ports/1/state", state + "\n")
        try write("\(device)/ports/1/link_layer", "Ethernet\n")
        // The table is longer than what it holds.
        for index in 0..<16 {
            let isUsed = index < addresses.count
            let text = isUsed ? addresses[index] : "0000:0000:0000:0000:0000:0000:0000:0000"
            try write("\(device)/ports/1/gids/\(index)", text + "\n")
            if isUsed {
                try write("\(device)/ports/1/gid_attrs/types/\(index)", "RoCE v2\n")
                try write("\(device)/ports/1/gid_attrs/ndevs/\(index)", "eth0\n")
            }
        }
        try write("/sys/class/infiniband_verbs/uverbs0/ibdev", "\(name)\n")
        try write("/dev/infiniband/uverbs0", mode: 0o666)
    }

    func configure(_ text: String) throws {
        try write("/etc/vrdma/endpoint.conf", text)
    }

    private func makeDirectories(_ path: String) {
        guard path != "/", !files.exists(path) else { return }
        makeDirectories(FileSystem.directory(of: path))
        mkdir(directory + path, 0o755)
    }

    private static func remove(_ path: String) {
        if unlink(path) == 0 { return }
        for name in FileSystem.names(in: path) { remove("\(path)/\(name)") }
        rmdir(path)
    }
}
