import Glibc
import GuestDriver
import LinuxIO
import Service
import Verbs

let commandLine = DaemonCommandLine(
    program: "vrdma-guestd", version: VRDMAVersion.text,
    summary: "The virtual RDMA driver of one guest: carries the commands of its applications to the endpoint.",
    defaultPath: nil, closing: "See vrdma-guestd(8) and vrdma-guest.conf(5).")

switch commandLine.read(CommandLine.arguments.dropFirst()) {
case .end(let status): exit(status)
case .check(let path): exit(GuestDaemon.check(path))
case .serve(let path): exit(GuestDaemon.serve(path))
}
