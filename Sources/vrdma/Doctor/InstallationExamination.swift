import LinuxIO
import Verbs

/// What is installed, and what runs.
enum InstallationExamination {
    static func findings() -> [Finding] {
        var findings = [library()]
        findings += programs("ibverbs-utils", ["ibv_devices", "ibv_devinfo", "ibv_rc_pingpong"])
        findings += programs("perftest", ["ib_write_bw", "ib_write_lat"])
        findings += [runtimeDirectory()] + GuestExamination.findings() + [ownEndpoint()]
        if let toolchain = toolchain() { findings.append(toolchain) }
        return findings
    }

    private static func library() -> Finding {
        do throws(ToolError) {
            let directory = try RuntimeDirectory.current()
            return .ok("drop-in library", try DropInLibrary.find(scratchDirectory: directory.path).path)
        } catch {
            return .missing(
                "drop-in library", error.description,
                remedy: "scripts/build in the source tree, or scripts/install")
        }
    }

    /// Programs that are only needed to try things out.
    private static func programs(_ package: String, _ names: [String]) -> [Finding] {
        let missing = names.filter { FileSystem.program($0) == nil }
        if missing.isEmpty { return [.ok(package, names.joined(separator: ", "))] }
        return [
            .warn(
                package, "not found: \(missing.joined(separator: ", "))", remedy: "apt-get install \(package)")
        ]
    }

    private static func runtimeDirectory() -> Finding {
        do throws(ToolError) {
            let directory = try RuntimeDirectory.current()
            let existed = FileSystem.exists(directory.path)
            try directory.prepare()
            if !existed { directory.removeIfEmpty() }
            return .ok("runtime directory", directory.path)
        } catch {
            return .missing(
                "runtime directory", error.description,
                remedy: "set VRDMA_RUNTIME_DIR to a directory that is this user's alone")
        }
    }

    private static func ownEndpoint() -> Finding {
        let subject = "own endpoint"
        guard let directory = try? RuntimeDirectory.current(),
            (try? AdminQuestion.status(socketPath: directory.adminSocketPath)) != nil
        else { return .ok(subject, "not running; vrdma run starts it") }
        return .ok(subject, "running in \(directory.path)")
    }

    /// Only where this executable was built.
    private static func toolchain() -> Finding? {
        let path = FileSystem.executablePath()
        guard path.contains("/.build/") else { return nil }
        guard let compiler = FileSystem.program("swift") else {
            return .missing(
                "Swift", "no swift in PATH", remedy: "install Swift 6.2 or later: https://swift.org/install")
        }
        return .ok("Swift", compiler)
    }
}
