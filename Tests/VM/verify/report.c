// What the program says: a line for each case, failures with their reason, the totals.

#include "verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct case_record {
    char title[96];
    bool failed;
};

static struct case_record records[MAX_CASES];
static int record_count;
static int skipped_count;

double now_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void say(struct session *session, const char *format, ...)
{
    if (!session->options.verbose) return;
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "verify[%d] ", session->side);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

// Keeps the first reason: later ones are usually its consequences.
bool fail(struct session *session, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!session->failed) vsnprintf(session->failure, sizeof session->failure, format, arguments);
    va_end(arguments);
    session->failed = true;
    return false;
}

static struct case_record *record_of(const char *title, bool *is_new)
{
    for (int i = 0; i < record_count; i++) {
        if (strcmp(records[i].title, title) == 0) return &records[i];
    }
    *is_new = true;
    struct case_record *record = &records[record_count < MAX_CASES ? record_count++ : MAX_CASES - 1];
    snprintf(record->title, sizeof record->title, "%s", title);
    return record;
}

// When the plan repeats, a case is told once, and again only when it fails.
void report_case(struct session *session, const char *title, bool passed)
{
    bool is_new = false;
    struct case_record *record = record_of(title, &is_new);
    if (!passed) {
        record->failed = true;
        printf("FAIL %s: %s (seed %" PRIu64 ")\n", title, session->failure, session->plan.seed);
    } else if (is_new) {
        printf("ok   %s (%" PRIu64 " messages, %" PRIu64 " bytes)\n", title, session->messages, session->bytes);
    }
    fflush(stdout);
}

void report_skip(const char *title, const char *reason)
{
    skipped_count++;
    printf("skip %s: %s\n", title, reason);
}

static void print_json(struct session *session, int failed)
{
    printf("{\"seed\": %" PRIu64 ", \"passed\": %d, \"failed\": %d, \"skipped\": %d, \"cases\": [", session->plan.seed,
           record_count - failed, failed, skipped_count);
    for (int i = 0; i < record_count; i++) {
        printf("%s{\"case\": \"%s\", \"ok\": %s}", i == 0 ? "" : ", ", records[i].title,
               records[i].failed ? "false" : "true");
    }
    printf("]}\n");
}

int report_totals(struct session *session)
{
    int failed = 0;
    for (int i = 0; i < record_count; i++) failed += records[i].failed;
    if (session->options.json) print_json(session, failed);
    printf("%d passed, %d failed\n", record_count - failed, failed);
    fflush(stdout);
    return failed == 0 && record_count > 0 ? 0 : 1;
}
