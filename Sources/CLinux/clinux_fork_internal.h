/* Between clinux_fork.c and clinux_fork_shelter.c. */
#ifndef CLINUX_FORK_INTERNAL_H
#define CLINUX_FORK_INTERNAL_H

#include "clinux_fork.h"
#include "clinux_mappings.h"

/* The file that a mapping shows, or NULL. */
const struct clinux_private_file *clinux_fork_find(const struct clinux_fork_plan *plan,
                                                   const struct clinux_mapping *mapping);

/* Calls for every shared mapping of the plan's files; -1 when the mappings cannot be read. */
int clinux_fork_for_each(const struct clinux_fork_plan *plan,
                         void (*body)(const struct clinux_private_file *file, const struct clinux_mapping *mapping,
                                      void *context),
                         void *context);

/* Before the fork, and after it in the parent. */
void clinux_fork_shelter(const struct clinux_fork_plan *plan);
void clinux_fork_unshelter(void);

/* Holds writes of other threads to a range back (see clinux_adoption.c); a descriptor, or -1. */
int clinux_hold_writes(uint64_t address, uint64_t length);
void clinux_let_writes_go(int fd, uint64_t address, uint64_t length);

#endif
