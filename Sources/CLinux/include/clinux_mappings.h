/*
 * The mappings of this process: by the PROCMAP_QUERY ioctl of Linux 6.11,
 * else by parsing /proc/self/maps.  No function here allocates, so that they
 * can be used in the child of a fork(2).
 */
#ifndef CLINUX_MAPPINGS_H
#define CLINUX_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum clinux_mapping_kind {
    CLINUX_MAPPING_PLAIN = 0,   /* anonymous memory, or a file */
    CLINUX_MAPPING_HEAP = 1,    /* what brk(2) manages */
    CLINUX_MAPPING_STACK = 2,   /* the first thread's stack */
    CLINUX_MAPPING_SPECIAL = 3, /* the kernel's own: vdso, vvar, vsyscall */
    CLINUX_MAPPING_HUGE = 4,    /* pages of hugetlbfs */
};

struct clinux_mapping {
    uint64_t start;
    uint64_t end;
    uint64_t offset; /* in the file */
    uint64_t device; /* of the file, as st_dev */
    uint64_t inode;  /* 0 for anonymous memory */
    int32_t protection; /* PROT_READ | PROT_WRITE | PROT_EXEC */
    uint32_t kind;      /* enum clinux_mapping_kind */
    bool is_shared;
};

/*
 * The mappings that intersect [start, end), lowest first, whole (not cut to
 * the range); with `only_shared_files`, only shared mappings of files.  Returns how many were stored, at most
 * `capacity`, or -1 with errno.  When it is `capacity` there may be more, from
 * the end of the last one on.
 */
ptrdiff_t clinux_mappings(uint64_t start, uint64_t end, bool only_shared_files, struct clinux_mapping *mappings,
                          size_t capacity);
/* The same without the ioctl, for tests. */
ptrdiff_t clinux_mappings_by_parsing(uint64_t start, uint64_t end, bool only_shared_files,
                                     struct clinux_mapping *mappings, size_t capacity);

/* How many mappings this process has, or -1 with errno. */
ptrdiff_t clinux_mapping_count(void);

/* Device and inode of an open file; 0 or -1 with errno. */
int clinux_file_identity(int fd, uint64_t *device, uint64_t *inode);

#endif
