import CLinux
import CVRDMAABI
import Glibc
import SharedMemory

/// What the guest driver and the endpoint show of this process.
enum ProcessDescription {
    static func command() -> vrdma_open_context_command {
        var command = vrdma_open_context_command()
        command.process_id = UInt32(bitPattern: getpid())
        if let name = clinux_program_name() { FixedText.write(String(cString: name), to: &command.process_name) }
        return command
    }
}
