#define _GNU_SOURCE
#include "clinux_mappings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* linux/fs.h of Linux 6.11, for building with older headers. */
struct procmap_query_abi {
    uint64_t size;
    uint64_t query_flags;
    uint64_t query_addr;
    uint64_t vma_start;
    uint64_t vma_end;
    uint64_t vma_flags;
    uint64_t vma_page_size;
    uint64_t vma_offset;
    uint64_t inode;
    uint32_t dev_major;
    uint32_t dev_minor;
    uint32_t vma_name_size;
    uint32_t build_id_size;
    uint64_t vma_name_addr;
    uint64_t build_id_addr;
};
#define PROCMAP_QUERY_REQUEST _IOWR('f', 17, struct procmap_query_abi)
enum {
    QUERY_READABLE = 0x01,
    QUERY_WRITABLE = 0x02,
    QUERY_EXECUTABLE = 0x04,
    QUERY_SHARED = 0x08,
    QUERY_COVERING_OR_NEXT = 0x10,
    QUERY_FILE_BACKED = 0x20,
};

enum { PAGE_BYTES = 4096, NAME_BYTES = 64 };

static uint32_t kind_of_name(const char *name, uint64_t inode)
{
    if (inode != 0)
        return strncmp(name, "/anon_hugepage", 14) == 0 ? CLINUX_MAPPING_HUGE : CLINUX_MAPPING_PLAIN;
    /* [anon:name] was named by prctl(2) and is ordinary memory. */
    if (name[0] != '[' || strncmp(name, "[anon", 5) == 0)
        return CLINUX_MAPPING_PLAIN;
    if (strcmp(name, "[heap]") == 0)
        return CLINUX_MAPPING_HEAP;
    if (strncmp(name, "[stack", 6) == 0)
        return CLINUX_MAPPING_STACK;
    return CLINUX_MAPPING_SPECIAL;
}

static int query(int fd, uint64_t address, bool only_shared_files, struct clinux_mapping *mapping)
{
    char name[NAME_BYTES];
    struct procmap_query_abi request;

    for (int with_name = 1; with_name >= 0; with_name--) {
        memset(&request, 0, sizeof(request));
        request.size = sizeof(request);
        request.query_addr = address;
        request.query_flags = QUERY_COVERING_OR_NEXT;
        if (only_shared_files)
            request.query_flags |= QUERY_SHARED | QUERY_FILE_BACKED;
        name[0] = 0;
        if (with_name && !only_shared_files) {
            request.vma_name_size = NAME_BYTES;
            request.vma_name_addr = (uint64_t)(uintptr_t)name;
        }
        if (ioctl(fd, PROCMAP_QUERY_REQUEST, &request) == 0)
            break;
        /* A name that does not fit is a file's path, and of no interest. */
        if (errno != ENAMETOOLONG || !with_name)
            return -1;
    }
    mapping->start = request.vma_start;
    mapping->end = request.vma_end;
    mapping->offset = request.vma_offset;
    mapping->device = makedev(request.dev_major, request.dev_minor);
    mapping->inode = request.inode;
    mapping->protection = ((request.vma_flags & QUERY_READABLE) ? PROT_READ : 0) |
                          ((request.vma_flags & QUERY_WRITABLE) ? PROT_WRITE : 0) |
                          ((request.vma_flags & QUERY_EXECUTABLE) ? PROT_EXEC : 0);
    mapping->is_shared = (request.vma_flags & QUERY_SHARED) != 0;
    mapping->kind = request.vma_page_size > PAGE_BYTES ? CLINUX_MAPPING_HUGE : kind_of_name(name, request.inode);
    return 0;
}

/* A reader of characters that fills a small buffer again and again. */
struct reader {
    int fd;
    size_t position;
    size_t count;
    char buffer[PAGE_BYTES];
};

static int next_character(struct reader *reader)
{
    if (reader->position == reader->count) {
        ssize_t count;
        do
            count = read(reader->fd, reader->buffer, sizeof(reader->buffer));
        while (count < 0 && errno == EINTR);
        if (count <= 0)
            return -1;
        reader->count = (size_t)count;
        reader->position = 0;
    }
    return (unsigned char)reader->buffer[reader->position++];
}

/* Reads digits up to another character, which is stored in *end. */
static uint64_t next_number(struct reader *reader, unsigned base, int *end)
{
    uint64_t value = 0;
    for (;;) {
        int c = next_character(reader);
        unsigned digit = 16;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (unsigned)(c - 'a') + 10;
        if (digit >= base) {
            *end = c;
            return value;
        }
        value = value * base + digit;
    }
}

/* One line of /proc/self/maps: "start-end rwxp offset major:minor inode   name". */
static bool parse_line(struct reader *reader, struct clinux_mapping *mapping)
{
    char permissions[4] = {0};
    char name[NAME_BYTES];
    size_t length = 0;
    int c;

    mapping->start = next_number(reader, 16, &c);
    if (c != '-')
        return false;
    mapping->end = next_number(reader, 16, &c);
    for (size_t i = 0; i < sizeof(permissions); i++)
        permissions[i] = (char)next_character(reader);
    next_character(reader);
    mapping->offset = next_number(reader, 16, &c);
    uint64_t major_number = next_number(reader, 16, &c);
    uint64_t minor_number = next_number(reader, 16, &c);
    mapping->inode = next_number(reader, 10, &c);
    while (c == ' ')
        c = next_character(reader);
    for (; c >= 0 && c != '\n'; c = next_character(reader)) {
        if (length < sizeof(name) - 1)
            name[length++] = (char)c;
    }
    name[length] = 0;
    mapping->device = makedev((unsigned)major_number, (unsigned)minor_number);
    mapping->protection = (permissions[0] == 'r' ? PROT_READ : 0) | (permissions[1] == 'w' ? PROT_WRITE : 0) |
                          (permissions[2] == 'x' ? PROT_EXEC : 0);
    mapping->is_shared = permissions[3] == 's';
    mapping->kind = kind_of_name(name, mapping->inode);
    return true;
}

static ptrdiff_t parse_all(int fd, uint64_t start, uint64_t end, bool only_shared_files,
                           struct clinux_mapping *mappings, size_t capacity)
{
    struct reader reader = {.fd = fd};
    struct clinux_mapping mapping;
    size_t count = 0;

    while (count < capacity && parse_line(&reader, &mapping)) {
        if (mapping.start >= end)
            break;
        if (mapping.end > start && (!only_shared_files || (mapping.is_shared && mapping.inode != 0)))
            mappings[count++] = mapping;
    }
    return (ptrdiff_t)count;
}

static ptrdiff_t query_all(int fd, uint64_t start, uint64_t end, bool only_shared_files,
                           struct clinux_mapping *mappings, size_t capacity)
{
    size_t count = 0;
    uint64_t address = start;

    while (count < capacity && address < end) {
        if (query(fd, address, only_shared_files, &mappings[count]) != 0)
            return errno == ENOENT ? (ptrdiff_t)count : -1;
        if (mappings[count].start >= end)
            break;
        address = mappings[count++].end;
    }
    return (ptrdiff_t)count;
}

ptrdiff_t clinux_mappings(uint64_t start, uint64_t end, bool only_shared_files, struct clinux_mapping *mappings,
                          size_t capacity)
{
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ptrdiff_t count = query_all(fd, start, end, only_shared_files, mappings, capacity);
    /* ENOTTY, or EINVAL where the file knows no ioctl. */
    if (count < 0 && errno != ENOMEM)
        count = parse_all(fd, start, end, only_shared_files, mappings, capacity);
    int error = errno;
    close(fd);
    errno = error;
    return count;
}

ptrdiff_t clinux_mappings_by_parsing(uint64_t start, uint64_t end, bool only_shared_files,
                                     struct clinux_mapping *mappings, size_t capacity)
{
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ptrdiff_t count = parse_all(fd, start, end, only_shared_files, mappings, capacity);
    close(fd);
    return count;
}

int clinux_file_identity(int fd, uint64_t *device, uint64_t *inode)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -1;
    *device = status.st_dev;
    *inode = status.st_ino;
    return 0;
}

ptrdiff_t clinux_mapping_count(void)
{
    char buffer[16384];
    ptrdiff_t lines = 0, count;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    while ((count = read(fd, buffer, sizeof(buffer))) > 0 || (count < 0 && errno == EINTR))
        for (ptrdiff_t i = 0; i < count; i++)
            lines += buffer[i] == '\n';
    int error = errno;
    close(fd);
    errno = error;
    return count < 0 ? -1 : lines;
}
