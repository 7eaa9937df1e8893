import EndpointRuntime
import LinuxIO
import Service
import Verbs

extension EndpointServer: SupervisedServer {}

/// The endpoint as a daemon: configuration, signals and the service manager around an `EndpointServer`.
enum EndpointDaemon {
    private static let program = "vrdma-endpointd"

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
        let configuration: EndpointConfiguration
        do throws(ConfigurationError) {
            configuration = try self.configuration(path)
        } catch {
            return DaemonCommandLine.report(error, path: path)
        }
        let log = Log(configuration.log, program: program)
        do {
            guard let failure = try serve(configuration, path, log) else { return 0 }
            log.error("the endpoint ends", [.init("reason", failure)], limit: nil)
        } catch {
            log.error("the endpoint cannot start", [.init("reason", "\(error)")], limit: nil)
        }
        return 1
    }

    private static func serve(_ configuration: EndpointConfiguration, _ path: String, _ log: Log) throws -> String? {
        let signals = try SignalDescriptor()
        let notifier = ServiceNotifier()
        ResourceLimits.raiseOpenFiles()
        let activation = ActivationDescriptors.take()
        let server = try EndpointServer(
            configuration: configuration, log: log, listener: try activation.listener(named: "endpoint", .packets),
            adminListener: try activation.listener(named: "admin", .stream),
            onReady: { notifier.ready(status: "Serving guests") }, hostAdapter: HostAdapters.factory)
        return try DaemonSupervisor(signals: signals, notifier: notifier).run(server, name: "endpoint") {
            do throws(ConfigurationError) {
                server.reload(try self.configuration(path))
            } catch {
                log.error("the configuration is not taken over", [.init("reason", error)], limit: nil)
            }
        }
    }

    private static func configuration(_ path: String) throws(ConfigurationError) -> EndpointConfiguration {
        try EndpointConfiguration(ConfigurationFile(readingFrom: path))
    }
}
