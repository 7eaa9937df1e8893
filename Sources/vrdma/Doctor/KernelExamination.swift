import CLinux
import Glibc
import LinuxIO
import Verbs

/// What vRDMA needs of the kernel.
enum KernelExamination {
    /// epoll_pwait2(2).
    private static let oldestVersion = (5, 11)
    /// The PROCMAP_QUERY ioctl.
    private static let mappingQueryVersion = (6, 11)

    static func findings() -> [Finding] {
        [version(), sealedMemory(), protectedWrites(), mappingQueries(), openFiles()]
    }

    private static func version() -> Finding {
        let (release, number) = runningVersion()
        guard number >= oldestVersion else {
            return .missing(
                "kernel", "Linux \(release)",
                remedy: "use Linux \(oldestVersion.0).\(oldestVersion.1) or later")
        }
        return .ok("kernel", "Linux \(release)")
    }

    private static func sealedMemory() -> Finding {
        do throws(Errno) {
            let file = try MemoryFile.create(name: "vrdma-doctor", sizeBytes: 4096)
            _ = try MemoryFile.sealedSizeBytes(file)
            return .ok("sealed shared memory", "memfd_create and its seals work")
        } catch {
            return .missing(
                "sealed shared memory", "memfd_create: \(error)",
                remedy: "allow memfd_create and F_ADD_SEALS (a seccomp filter or container forbids them)")
        }
    }

    private static func protectedWrites() -> Finding {
        if clinux_can_protect_writes() {
            return .ok("userfaultfd", "memory of programs with threads is adopted without losing a write")
        }
        return .warn(
            "userfaultfd",
            "not available: a program with threads must not write to memory while it registers that memory",
            remedy: "use a kernel with CONFIG_USERFAULTFD, and allow userfaultfd in the container's seccomp filter")
    }

    private static func mappingQueries() -> Finding {
        let (release, number) = runningVersion()
        guard number >= mappingQueryVersion else {
            return .warn(
                "mapping queries", "Linux \(release) has no PROCMAP_QUERY: registering memory is slower",
                remedy: "use Linux \(mappingQueryVersion.0).\(mappingQueryVersion.1) or later")
        }
        return .ok("mapping queries", "PROCMAP_QUERY, as every Linux from 6.11 on")
    }

    private static func openFiles() -> Finding {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let text = limit.rlim_max == rlim_t.max ? "no limit" : "\(limit.rlim_max) at most"
        guard limit.rlim_max >= 4096 else {
            return .warn(
                "open files", "\(text): every connection, channel and memory region of all guests takes one",
                remedy: "raise it: ulimit -Hn, or LimitNOFILE= of the unit")
        }
        return .ok("open files", text)
    }

    private static func runningVersion() -> (release: String, number: (Int, Int)) {
        var name = utsname()
        uname(&name)
        let release = withUnsafeBytes(of: name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let numbers = release.split { !$0.isNumber }.prefix(2).map { Int($0) ?? 0 }
        return (release, (numbers.first ?? 0, numbers.count > 1 ? numbers[1] : 0))
    }
}
