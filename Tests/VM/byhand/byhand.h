// Verbs by hand: a program that does what lines on its standard input say, and answers each with a line.
//
// Tests drive it from outside the machine it runs in, so that they decide what happens between two verbs. One binary
// runs on the kernel's devices and, through LD_LIBRARY_PATH, on the drop-in libibverbs.so.1. Objects are named by the
// number in which they were made; `help` lists the commands.

#ifndef BYHAND_H
#define BYHAND_H

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_OBJECTS = 4096, MAX_WORDS = 24, MAX_COMPLETIONS = 64, SLICE_MILLISECONDS = 5 };

struct region {
    struct ibv_mr *mr;
    uint8_t *base;
    size_t size;
    bool is_alias;
};

struct program {
    struct ibv_context *context;
    struct ibv_pd *pds[MAX_OBJECTS];
    struct ibv_cq *cqs[MAX_OBJECTS];
    struct ibv_qp *qps[MAX_OBJECTS];
    struct region regions[MAX_OBJECTS];
    int pd_count;
    int cq_count;
    int qp_count;
    int region_count;
};

// A command: its words, words[0] is its name.
struct command {
    char *words[MAX_WORDS];
    int count;
};

// The number in a word, decimal or 0x…; 0 where there is no word.
uint64_t number_of(const struct command *command, int index);
void answer(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Answers that a verb failed, with its errno.
void refuse(const char *what, int error);
uint64_t now_milliseconds(void);

// objects.c
void make_domain(struct program *program, const struct command *command);
void make_region(struct program *program, const struct command *command);
void make_alias(struct program *program, const struct command *command);
void drop_region(struct program *program, const struct command *command);
void make_completion_queue(struct program *program, const struct command *command);
void make_queue_pair(struct program *program, const struct command *command);
void drop_queue_pair(struct program *program, const struct command *command);
void connect_queue_pair(struct program *program, const struct command *command);
void change_state(struct program *program, const struct command *command);
void make_many(struct program *program, const struct command *command);

// requests.c
void post_send(struct program *program, const struct command *command);
void post_receive(struct program *program, const struct command *command);
void poll_completion(struct program *program, const struct command *command);
void stream(struct program *program, const struct command *command);
void wait_for_event(struct program *program, const struct command *command);

// queries.c
void query_gid(struct program *program, const struct command *command);
void query_device(struct program *program, const struct command *command);
void query_port(struct program *program, const struct command *command);
void query_state(struct program *program, const struct command *command);

// memory.c
void fill_memory(struct program *program, const struct command *command);
void check_memory(struct program *program, const struct command *command);
void show_word(struct program *program, const struct command *command);
void show_frames(struct program *program, const struct command *command);

#endif
