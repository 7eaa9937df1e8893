import Endpoint
import EndpointRuntime

/// An endpoint's status for a person.
struct StatusReport {
    let status: EndpointStatus

    /// The whole report.
    var text: String {
        var parts = [headline + (host ?? "")]
        if status.guests.isEmpty {
            parts.append("No guests.\n")
        } else {
            parts.append(guests)
            parts.append(contentsOf: [contexts, queuePairs].compactMap(\.self))
        }
        return parts.joined(separator: "\n")
    }

    private var headline: String {
        let endpoint = status.endpoint
        return
            "vRDMA endpoint \(status.version), process \(endpoint.pid), up \(Self.duration(endpoint.uptimeSeconds)), "
            + "adapter \(endpoint.adapter); "
            + "\(status.guests.count) of \(endpoint.guestLimit) guests\n"
    }

    /// The host adapter with its device; nil when there is none.
    private var host: String? {
        guard let host = status.host else { return nil }
        var text = "Host adapter \(host.adapter) \(host.device)"
        if let port = status.endpoint.devicePort { text += " port \(port)" }
        if host.isAvailable {
            text += " \(Self.portState(host.portState))"
            if host.activeMtuBytes > 0 { text += ", MTU \(host.activeMtuBytes)" }
            text += host.addresses.isEmpty ? ", no address" : ", addresses \(host.addresses.joined(separator: ", "))"
        } else {
            text += " is gone"
        }
        if !host.localPath { text += "; no local path" }
        if host.pendingRegistrations > 0 { text += "; \(host.pendingRegistrations) registrations under way" }
        return text + "\n"
    }

    /// The name of a value of `enum ibv_port_state`.
    private static func portState(_ state: UInt32) -> String {
        let names = ["NOP", "DOWN", "INIT", "ARMED", "ACTIVE", "ACTIVE_DEFER"]
        return names.indices.contains(Int(state)) ? names[Int(state)] : "\(state)"
    }

    private var guests: String {
        var table = TextTable([
            "GUEST", "ADDRESS", ">DRIVER", ">CONTEXTS", ">REQUESTS", ">DATA", ">COMMANDS", ">ERRORS", ">VIOLATIONS",
        ])
        for guest in status.guests {
            let counters = guest.counters
            table.add([
                guest.name, guest.address, guest.driverPid.map { "\($0)" } ?? "-", "\(guest.contexts.count)",
                "\(counters.workRequests)", Self.size(counters.bytes), "\(counters.commands)",
                "\(counters.commandErrors)", "\(counters.violations)",
            ])
        }
        return table.text
    }

    private var contexts: String? {
        var table = TextTable([
            "CONTEXT", "GUEST", "PROCESS", ">PID", ">PD", ">MR", ">MEMORY", ">CQ", ">QP",
        ])
        var isEmpty = true
        for guest in status.guests {
            for context in guest.contexts {
                isEmpty = false
                table.add([
                    "\(context.handle)", guest.name, context.process, "\(context.pid)",
                    "\(context.protectionDomains)", "\(context.memoryRegions)",
                    Self.size(context.memoryRegionBytes), "\(context.completionQueues)",
                    "\(context.queuePairs.count)",
                ])
            }
        }
        return isEmpty ? nil : table.text
    }

    private var queuePairs: String? {
        var table = TextTable([
            "QP", "CONTEXT", "GUEST", "TYPE", "STATE", "PEER", ">PEER QP", "PATH", ">SQ", ">RQ", ">REQUESTS", ">DATA",
        ])
        var isEmpty = true
        for guest in status.guests {
            for context in guest.contexts {
                for pair in context.queuePairs {
                    isEmpty = false
                    let isConnected = pair.path != "none"
                    table.add([
                        "\(pair.number)", "\(context.handle)", guest.name, pair.type, pair.state,
                        isConnected ? pair.peerAddress : "-", isConnected ? "\(pair.peerNumber)" : "-", pair.path,
                        "\(pair.sendPending)", "\(pair.receivePending)", "\(pair.workRequests)",
                        Self.size(pair.bytes),
                    ])
                }
            }
        }
        return isEmpty ? nil : table.text
    }

    /// `1.5 GiB`
    static func size(_ bytes: UInt64) -> String {
        var (value, unit) = (Double(bytes), "B")
        for larger in ["KiB", "MiB", "GiB", "TiB", "PiB"] where value >= 1024 { (value, unit) = (value / 1024, larger) }
        return unit == "B" ? "\(bytes) B" : "\((value * 10).rounded() / 10) \(unit)"
    }

    /// `2 h 5 min`
    static func duration(_ seconds: Double) -> String {
        let whole = Int(max(0, min(seconds, 1e12)))
        switch whole {
        case ..<60: return "\((seconds * 10).rounded() / 10) s"
        case ..<3600: return "\(whole / 60) min \(whole % 60) s"
        case ..<86400: return "\(whole / 3600) h \(whole / 60 % 60) min"
        default: return "\(whole / 86400) d \(whole / 3600 % 24) h"
        }
    }
}
