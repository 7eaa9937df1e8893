import GuestDriver
import LinuxIO
import Service
import Verbs

extension GuestDriverServer: SupervisedServer {}

/// The guest driver as a daemon: configuration, signals and the service manager around a `GuestDriverServer`.
enum GuestDaemon {
    private static let program = "vrdma-guestd"

    /// Checks a configuration file. Returns the exit status.
    static func check(_ path: String) -> Int32 {
        do throws(ConfigurationError) {
            _ = try configuration(path)
            return DaemonCommandLine.report(nil, path: path)
        } catch {
            return DaemonCommandLine.report(error, path: path)
        }
    }

    /// Serves until a signal. Returns the exit status.
    static func serve(_ path: String) -> Int32 {
        let configuration: GuestConfiguration
        do throws(ConfigurationError) {
            configuration = try self.configuration(path)
        } catch {
            return DaemonCommandLine.report(error, path: path)
        }
        let log = Log(configuration.log, program: program)
        do {
            guard let failure = try serve(configuration, path, log) else { return 0 }
            log.error("the guest driver ends", [.init("reason", failure)], limit: nil)
        } catch {
            log.error("the guest driver cannot start", [.init("reason", "\(error)")], limit: nil)
        }
        return 1
    }

    private static func serve(_ configuration: GuestConfiguration, _ path: String, _ log: Log) throws -> String? {
        let signals = try SignalDescriptor()
        let notifier = ServiceNotifier()
        ResourceLimits.raiseOpenFiles()
        let listener = try ActivationDescriptors.take().listener(named: "applications", .packets)
        let server = try GuestDriverServer(configuration: configuration, log: log, listener: listener) { phase in
            switch phase {
            case .ready: notifier.ready(status: phase.description)
            case .waitingForEndpoint, .stopping: notifier.status(phase.description)
            }
        }
        return try DaemonSupervisor(signals: signals, notifier: notifier).run(server, name: "guest-driver") {
            do throws(ConfigurationError) {
                server.reload(try self.configuration(path))
            } catch {
                log.error("the configuration is not taken over", [.init("reason", error)], limit: nil)
            }
        }
    }

    private static func configuration(_ path: String) throws(ConfigurationError) -> GuestConfiguration {
        try GuestConfiguration(ConfigurationFile(readingFrom: path))
    }
}
