import FuzzKit
import VerbsAdapter

/// The kernel's messages about devices that come and go.
@main
enum DeviceEventsTarget: FuzzTarget {
    static func run(_ input: inout FuzzInput) {
        guard let event = DeviceEvent(input.takeRest()) else { return }
        if event.name.isEmpty || event.name.contains("/") { fuzzFailure("the name '\(event.name)' is no name") }
        if event.addsDevice, event.removes(device: event.name, verbsFile: event.name) {
            fuzzFailure("a device that comes and goes at once")
        }
    }
}
