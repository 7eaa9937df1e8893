#define _GNU_SOURCE
#include "clinux_kernel_events.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

/* The group of the kernel's own events; udevd repeats them, later, in another. */
#define KERNEL_GROUP 1u

int clinux_kernel_event_socket(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP};
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

    if (fd < 0) {
        return -1;
    }
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

ptrdiff_t clinux_receive_kernel_event(int socket, void *bytes, size_t capacity)
{
    struct sockaddr_nl sender = {0};
    struct iovec data = {.iov_base = bytes, .iov_len = capacity};
    struct msghdr message = {
        .msg_name = &sender,
        .msg_namelen = sizeof(sender),
        .msg_iov = &data,
        .msg_iovlen = 1,
    };
    ssize_t count = recvmsg(socket, &message, 0);

    if (count < 0) {
        return -1;
    }
    /* A process could send one too, but not under the kernel's name. */
    if (message.msg_namelen != sizeof(sender) || sender.nl_pid != 0 || (sender.nl_groups & KERNEL_GROUP) == 0 ||
        (message.msg_flags & MSG_TRUNC) != 0) {
        return 0;
    }
    return count;
}
