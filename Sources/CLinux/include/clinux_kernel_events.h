/* The kernel's announcements of devices that come and go. */
#ifndef CLINUX_KERNEL_EVENTS_H
#define CLINUX_KERNEL_EVENTS_H

#include <stddef.h>

/*
 * A netlink(7) socket that receives the kernel's device events
 * (NETLINK_KOBJECT_UEVENT), non-blocking and close-on-exec; needs no privilege.
 */
int clinux_kernel_event_socket(void);

/*
 * Receives one event. 0 for a message that is not the kernel's own, -1 when
 * there is none (EAGAIN) or some were lost (ENOBUFS).
 */
ptrdiff_t clinux_receive_kernel_event(int socket, void *bytes, size_t capacity);

#endif
