/* What a process knows of itself. */
#ifndef CLINUX_PROCESS_H
#define CLINUX_PROCESS_H

#include <stddef.h>

/* The last part of the name by which the program was started. */
const char *clinux_program_name(void);

/* fork(2), which Swift does not import; the child may do only what a signal handler may. */
int clinux_fork(void);

/* Moves whole pages over what is at `target`: mremap(2) with MREMAP_FIXED.  0, or -1 with errno. */
int clinux_move(void *source, size_t bytes, void *target);

#endif
