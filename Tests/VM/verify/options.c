// The command line.

#include "verify.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "Usage: verify [--port N | --unix PATH] [OPTION…]             the side that listens\n"
    "       verify --connect HOST|/PATH [--port N] [OPTION…]      the side that connects and decides the plan\n"
    "\n"
    "Moves data by RDMA between the two sides, in both directions at once, and checks every byte, every completion\n"
    "and every guard byte on both. Runs on whatever device libibverbs has.\n"
    "\n"
    "Of each side:\n"
    "  --device NAME       the device (the first one)\n"
    "  --ib-port N         its port (1)\n"
    "  --gid-index N       the index of its address (the first one of IPv4, else 0)\n"
    "  --events            sleep in completion channels instead of polling\n"
    "  --port N            TCP port over which the sides agree (19875)\n"
    "  --unix PATH         listen at a Unix socket instead\n"
    "  --timeout SECONDS   limit of every wait (120); the connecting side's holds once they are connected\n"
    "  --stop              end with the first case that failed\n"
    "  --verbose           progress on standard error\n"
    "  --json              a summary in JSON before the last line\n"
    "Of the side that connects:\n"
    "  --operations LIST   of write, write-imm, read, send, send-imm, inline, multi-sge, mixed, faa, cas, fence,\n"
    "                      solicited, flush, errors, recover; or all (all)\n"
    "  --sizes LIST        message sizes in bytes, at most 64 (0 to 8 MiB, with odd ones and those around an MTU)\n"
    "  --iterations N      rounds for each size (3)\n"
    "  --qps N             queue pairs at once (4)\n"
    "  --mtu BYTES         at most this path MTU (what the ports have)\n"
    "  --memory MIB        limit of each of the two buffers of a side (64)\n"
    "  --seed N            of all that is random (the time); printed\n"
    "  --strict            accept no status of a failed request that only rxe gives\n"
    "  --duration SECONDS  repeat everything until then (once)\n"
    "\n"
    "Prints a line for each case and 'N passed, N failed'. Exit status: 0 when no case failed, 1 else,\n"
    "2 for a wrong use.\n";

static const uint32_t usual_sizes[] = {0, 1, 2, 3, 7, 8, 63, 64, 65, 255, 256, 1023, 1024, 1025, 4095, 4096, 4097,
                                       65535, 65536, 65537, (1 << 20) + 1, 8 << 20};

static const char *const names[OP_COUNT] = {"write", "write-imm", "read", "send", "send-imm", "inline", "multi-sge",
                                            "mixed", "faa", "cas", "fence", "solicited", "flush", "errors", "recover"};

enum { MOST_QUEUE_PAIRS = 1024, MOST_BYTES = 1 << 30 };

const char *operation_name(int operation)
{
    return names[operation];
}

static void __attribute__((noreturn)) refuse(const char *what, const char *value)
{
    fprintf(stderr, "verify: %s: '%s' (see --help)\n", what, value);
    exit(2);
}

static uint64_t number(const char *what, const char *text, uint64_t least, uint64_t most)
{
    char *end = NULL;
    uint64_t value = strtoull(text, &end, 0);
    if (*text == 0 || *text == '-' || *end != 0 || value < least || value > most) refuse(what, text);
    return value;
}

static void parse_sizes(struct plan *plan, char *list)
{
    plan->size_count = 0;
    for (char *each = strtok(list, ","); each != NULL; each = strtok(NULL, ",")) {
        if (plan->size_count == MAX_SIZES) refuse("too many sizes", each);
        plan->sizes[plan->size_count++] = (uint32_t)number("a wrong size", each, 0, MOST_BYTES);
    }
    if (plan->size_count == 0) refuse("no sizes", "");
}

static void parse_operations(struct plan *plan, char *list)
{
    plan->operations = 0;
    for (char *each = strtok(list, ","); each != NULL; each = strtok(NULL, ",")) {
        int operation = 0;
        while (operation < OP_COUNT && strcmp(names[operation], each) != 0) operation++;
        if (operation < OP_COUNT) {
            plan->operations |= 1u << operation;
        } else if (strcmp(each, "all") == 0) {
            plan->operations |= (1u << OP_COUNT) - 1;
        } else {
            refuse("an unknown operation", each);
        }
    }
}

static void set_defaults(struct options *options)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    *options = (struct options){.port = 19875, .gid_index = -1, .ib_port = 1};
    struct plan *plan = &options->plan;
    plan->seed = mix((uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec) % 1000000000;
    plan->operations = (1u << OP_COUNT) - 1;
    plan->iterations = 3;
    plan->queue_pairs = 4;
    plan->memory_bytes = 64 << 20;
    plan->timeout_seconds = 120;
    plan->size_count = sizeof usual_sizes / sizeof *usual_sizes;
    memcpy(plan->sizes, usual_sizes, sizeof usual_sizes);
}

static const struct option long_options[] = {
    {"device", required_argument, NULL, 'd'},     {"gid-index", required_argument, NULL, 'g'},
    {"ib-port", required_argument, NULL, 'i'},    {"connect", required_argument, NULL, 'c'},
    {"port", required_argument, NULL, 'p'},       {"unix", required_argument, NULL, 'u'},
    {"sizes", required_argument, NULL, 's'},      {"iterations", required_argument, NULL, 'n'},
    {"seed", required_argument, NULL, 'S'},       {"operations", required_argument, NULL, 'o'},
    {"qps", required_argument, NULL, 'q'},        {"duration", required_argument, NULL, 'D'},
    {"events", no_argument, NULL, 'e'},           {"mtu", required_argument, NULL, 'm'},
    {"timeout", required_argument, NULL, 't'},    {"memory", required_argument, NULL, 'M'},
    {"strict", no_argument, NULL, 'x'},           {"json", no_argument, NULL, 'j'},
    {"verbose", no_argument, NULL, 'v'},          {"stop", no_argument, NULL, 'T'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void apply(struct options *options, int option, char *value)
{
    struct plan *plan = &options->plan;
    switch (option) {
    case 'd': options->device = value; break;
    case 'g': options->gid_index = (int)number("a wrong index", value, 0, 255); break;
    case 'i': options->ib_port = (int)number("a wrong port", value, 1, 255); break;
    case 'c': options->connect = value; break;
    case 'p': options->port = (int)number("a wrong port", value, 1, 65535); break;
    case 'u': options->unix_path = value; break;
    case 's': parse_sizes(plan, value); break;
    case 'n': plan->iterations = (uint32_t)number("a wrong number", value, 1, 1000000); break;
    case 'S': plan->seed = number("a wrong seed", value, 0, UINT64_MAX); break;
    case 'o': parse_operations(plan, value); break;
    case 'q': plan->queue_pairs = (uint32_t)number("a wrong number", value, 1, MOST_QUEUE_PAIRS); break;
    case 'D': options->duration_seconds = (int)number("a wrong time", value, 0, 1 << 24); break;
    case 'e': options->events = true; break;
    case 'm': plan->mtu_bytes = (uint32_t)number("a wrong MTU", value, 256, 4096); break;
    case 't': plan->timeout_seconds = (uint32_t)number("a wrong time", value, 1, 1 << 20); break;
    case 'M': plan->memory_bytes = number("a wrong size", value, 1, 1 << 16) << 20; break;
    case 'x': plan->strict = 1; break;
    case 'j': options->json = true; break;
    case 'v': options->verbose = true; break;
    case 'T': options->stop = true; break;
    case 'h':
        fputs(usage, stdout);
        exit(0);
    default: exit(2);
    }
}

void parse_options(struct options *options, int argc, char **argv)
{
    set_defaults(options);
    for (int option = 0; option != -1;) {
        option = getopt_long(argc, argv, "", long_options, NULL);
        if (option != -1) apply(options, option, optarg);
    }
    if (optind != argc) refuse("an unexpected argument", argv[optind]);
}
