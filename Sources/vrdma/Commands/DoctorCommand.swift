import FoundationEssentials
import Service
import Verbs

/// `vrdma doctor`
enum DoctorCommand {
    static let interface = CommandLineCommand(
        "doctor",
        "Say what is missing for vRDMA on this machine, and how to get it. Exit status 1 when "
            + "something that is needed is missing. What only an endpoint on a real device or on soft-RoCE needs is "
            + "examined too; it is needed where the system's endpoint is configured for it.",
        options: [.flag("json", "Print a JSON document.")], closing: "For example: vrdma doctor --json")

    private struct Document: Codable {
        var version: String
        var findings: [Finding]
    }

    static func run(_ arguments: CommandLineArguments) throws(ToolError) -> Int32 {
        let findings =
            KernelExamination.findings() + InstallationExamination.findings() + RealDeviceExamination.findings()
        if arguments.contains("json") {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            guard let document = try? encoder.encode(Document(version: VRDMAVersion.text, findings: findings)) else {
                throw ToolError("the findings cannot be encoded")
            }
            print(String(decoding: document, as: UTF8.self))
        } else {
            let width = findings.map(\.subject.count).max() ?? 0
            for finding in findings {
                let level = padded(finding.level.rawValue, 7)
                print("\(level)  \(padded(finding.subject, width))  \(finding.detail)")
                if let remedy = finding.remedy { print("\(padded("", width + 9))  → \(remedy)") }
            }
        }
        return findings.contains { $0.level == .missing } ? 1 : 0
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
