/*
 * Moving private memory of this process into a file, at the same address and
 * with the same contents.
 */
#ifndef CLINUX_ADOPTION_H
#define CLINUX_ADOPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clinux_adoption {
    uint64_t address;    /* page-aligned */
    uint64_t length;     /* whole pages of one mapping */
    uint64_t offset;     /* in the file, page-aligned; the file reads as zero there */
    int32_t file;
    int32_t protection;  /* of the mapping now, and then */
    bool is_anonymous;   /* what was never touched reads as zero, and need not be copied */
    bool protect_writes; /* other threads run: hold their writes back meanwhile */
};

enum clinux_adoption_result {
    CLINUX_ADOPTED = 0,
    CLINUX_ADOPTED_UNPROTECTED = 1, /* protection was wanted and is not to be had here */
};

/*
 * Copies and remaps.  Returns enum clinux_adoption_result, or a negative
 * errno: EFAULT when the memory cannot be read, EOPNOTSUPP when it holds the
 * caller's own stack or thread control block.  After an error a first part may be moved, the rest is
 * as before.  Allocates nothing, and writes nothing but its own stack while
 * writes are held back, since the range may hold anything else.
 */
int clinux_adopt(const struct clinux_adoption *adoption);

/* Whether other threads' writes can be held back: by userfaultfd(2). */
bool clinux_can_protect_writes(void);

#endif
