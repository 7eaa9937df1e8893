import Service

/// What there is of real devices on this machine, and whether anything needs them.
struct HostSituation {
    /// How much a device is needed.
    enum Need {
        /// The endpoint's configuration names one.
        case configured
        /// There is one that an endpoint could use.
        case possible
        /// There is none, and nothing asks for one.
        case none
    }

    static let configurationPath = "/etc/vrdma/endpoint.conf"
    /// Where the system's guests have a `NAME.conf` each.
    static let guestsPath = "/etc/vrdma/guests"

    let files: SystemFiles
    let devices: [RDMADevice]
    /// The system's endpoint; nil when its configuration is not there or has mistakes.
    let configuration: EndpointConfiguration?
    /// All that is wrong with it, if it is there; the endpoint then does not start.
    let configurationMistakes: [String]

    init(_ files: SystemFiles = SystemFiles()) {
        self.files = files
        devices = RDMADevice.all(files)
        guard files.exists(Self.configurationPath) else {
            configuration = nil
            configurationMistakes = []
            return
        }
        do throws(ConfigurationError) {
            configuration = try EndpointConfiguration(
                ConfigurationFile(readingFrom: files.root + Self.configurationPath))
            configurationMistakes = []
        } catch {
            configuration = nil
            var mistakes = error.mistakes.map(\.description)
            if error.unlistedCount > 0 { mistakes.append("\(error.unlistedCount) more mistakes") }
            configurationMistakes = mistakes
        }
    }

    var need: Need {
        if configuration?.host.adapter == .verbs { return .configured }
        return devices.isEmpty ? .none : .possible
    }

    /// The device that the configuration names.
    var configuredDevice: RDMADevice? {
        configuration?.host.deviceName.flatMap { name in devices.first { $0.name == name } }
    }

    /// Something that a device needs is not as it should be.
    func problem(_ subject: String, _ detail: String, remedy: String) -> Finding {
        switch need {
        case .configured: .missing(subject, detail, remedy: remedy)
        case .possible: .warn(subject, detail, remedy: remedy)
        case .none: .info(subject, "\(detail); not needed for guests of one endpoint", remedy: remedy)
        }
    }
}
