import Glibc
import LinuxIO
import Service
import Verbs

/// The hidden command that the background process runs.
enum EmbeddedCommand {
    /// Serves a runtime directory. Returns the exit status.
    static func run(_ directoryPath: String) -> Int32 {
        detach()
        var configuration = LogConfiguration()
        configuration.format = .text
        configuration.level = .notice
        let log = Log(configuration, program: "vrdma")
        ResourceLimits.raiseOpenFiles()
        do {
            let host = try EmbeddedHost(RuntimeDirectory(path: directoryPath, isExplicit: true), log: log)
            guard let failure = try host.run(onReady: announce) else { return 0 }
            log.error("the background process ends", [.init("reason", failure)], limit: nil)
        } catch {
            log.error("the background process cannot start", [.init("reason", "\(error)")], limit: nil)
        }
        return 1
    }

    /// Leaves the terminal, the directory and the descriptors of whoever started this process. A pipe that stayed open
    /// here would keep its reader waiting.
    private static func detach() {
        setsid()
        chdir("/")
        umask(0o077)
        for name in FileSystem.names(in: "/proc/self/fd") {
            if let number = Int32(name), number > STDERR_FILENO { close(number) }
        }
    }

    /// Tells whoever started this process that it serves, and lets the pipe go.
    private static func announce() {
        let text = Array(BackgroundProcess.readyText.utf8)
        _ = write(STDOUT_FILENO, text, text.count)
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        if null >= 0 {
            dup2(null, STDOUT_FILENO)
            close(null)
        }
    }
}
