/*
 * What the service library needs from libsystemd, and the signal descriptor,
 * which Glibc's Swift module does not import.
 */
#ifndef VRDMA_CSYSTEMD_H
#define VRDMA_CSYSTEMD_H

#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#endif
