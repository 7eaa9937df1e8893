#define _GNU_SOURCE
#include "clinux_process.h"

#include <errno.h>

const char *clinux_program_name(void)
{
    return program_invocation_short_name;
}
