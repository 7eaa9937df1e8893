#define _GNU_SOURCE
#include "clinux_pidfd.h"

#include <sys/syscall.h>
#include <unistd.h>

int clinux_pidfd_open(int process_id)
{
    return (int)syscall(SYS_pidfd_open, process_id, 0);
}
