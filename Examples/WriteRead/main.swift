// RDMA WRITE and READ: one program works on the other's memory. Both poll.

import Glibc
import OutOfBand
import VRDMA

let role = Role(
    program: "vrdma-example-write-read",
    about: "Writes to the server's memory and reads it back, and checks every byte; measures latency and bandwidth.")
do {
    switch role {
    case .server(let address): try serve(at: address)
    case .client(let address): try measure(at: address)
    }
} catch {
    complain("vrdma-example-write-read: \(error)")
    exit(1)
}
