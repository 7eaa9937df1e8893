/* What a process knows of itself. */
#ifndef CLINUX_PROCESS_H
#define CLINUX_PROCESS_H

/* The last part of the name by which the program was started. */
const char *clinux_program_name(void);

#endif
