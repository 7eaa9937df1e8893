/* Processes as descriptors. */
#ifndef CLINUX_PIDFD_H
#define CLINUX_PIDFD_H

/* pidfd_open(2), close-on-exec: readable when the process has ended. */
int clinux_pidfd_open(int process_id);

#endif
