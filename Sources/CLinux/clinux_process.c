#define _GNU_SOURCE
#include "clinux_process.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

const char *clinux_program_name(void)
{
    return program_invocation_short_name;
}

int clinux_fork(void)
{
    return fork();
}

int clinux_move(void *source, size_t bytes, void *target)
{
    return mremap(source, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, target) == MAP_FAILED ? -1 : 0;
}
