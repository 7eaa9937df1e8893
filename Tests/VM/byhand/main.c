// Reads commands and calls what does them.

#include "byhand.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name;
    void (*run)(struct program *program, const struct command *command);
    const char *about;
} COMMANDS[] = {
    {"pd", make_domain, "pd: a protection domain"},
    {"mr", make_region, "mr BYTES ACCESS [PD]: memory; its number, address, lkey, rkey"},
    {"alias", make_alias, "alias REGION ACCESS [OFFSET BYTES [PD]]: registers a part of memory again"},
    {"dereg", drop_region, "dereg REGION: the memory itself stays"},
    {"cq", make_completion_queue, "cq ENTRIES: its number"},
    {"qp", make_queue_pair, "qp CQ DEPTH [PD [INLINE]]: its number, its queue pair number"},
    {"drop-qp", drop_queue_pair, "drop-qp QP"},
    {"connect", connect_queue_pair, "connect QP GID NUMBER GID-INDEX TIMEOUT RETRIES [RNR-RETRIES]: to RTS, PSN 0"},
    {"to", change_state, "to QP STATE: modify to RESET (0), SQD (4) or ERR (6)"},
    {"many", make_many, "many pd|cq|qp|mr LIMIT: makes until refused; how many, errno"},
    {"send", post_send, "send QP OPCODE ADDRESS BYTES LKEY RADDRESS RKEY [FLAGS [COMPARE/ADD SWAP]]"},
    {"recv", post_receive, "recv QP ADDRESS BYTES LKEY"},
    {"poll", poll_completion, "poll CQ MILLISECONDS: wr_id, status, opcode, bytes, queue pair number; or none"},
    {"stream", stream, "stream QP CQ OPCODE ADDRESS BYTES LKEY RADDRESS RKEY DEPTH MILLISECONDS: requests until an "
                       "error or the time; how many, status, the longest gap and the time until the end in ms"},
    {"event", wait_for_event, "event MILLISECONDS: the next async event's type, or none"},
    {"gid", query_gid, "gid INDEX: in hexadecimal"},
    {"device", query_device, "device: name and limits"},
    {"port", query_port, "port: attributes"},
    {"state", query_state, "state QP: as ibv_query_qp has it"},
    {"fill", fill_memory, "fill ADDRESS BYTES SEED"},
    {"check", check_memory, "check ADDRESS BYTES SEED: where the first wrong byte is, or -1"},
    {"word", show_word, "word ADDRESS [VALUE]: eight bytes, or sets them"},
    {"frames", show_frames, "frames ADDRESS BYTES: page frame numbers; needs root"},
};
enum { COMMAND_COUNT = sizeof COMMANDS / sizeof COMMANDS[0] };

uint64_t number_of(const struct command *command, int index)
{
    return index < command->count ? strtoull(command->words[index], NULL, 0) : 0;
}

void answer(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("ok ");
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

void refuse(const char *what, int error)
{
    printf("error %d %s: %s\n", error, what, strerror(error));
}

uint64_t now_milliseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static struct ibv_context *open_device(const char *wanted)
{
    int count = 0;
    struct ibv_device **list = ibv_get_device_list(&count);
    struct ibv_context *context = NULL;
    for (int index = 0; list != NULL && index < count && context == NULL; index++) {
        if (wanted == NULL || strcmp(ibv_get_device_name(list[index]), wanted) == 0) {
            context = ibv_open_device(list[index]);
        }
    }
    int error = errno;
    if (list != NULL) ibv_free_device_list(list);
    errno = error;
    return context;
}

static void obey(struct program *program, char *line)
{
    struct command command = {.count = 0};
    for (char *word = strtok(line, " \n"); word != NULL && command.count < MAX_WORDS; word = strtok(NULL, " \n")) {
        command.words[command.count++] = word;
    }
    if (command.count == 0) return;
    for (int index = 0; index < COMMAND_COUNT; index++) {
        if (strcmp(command.words[0], COMMANDS[index].name) == 0) {
            COMMANDS[index].run(program, &command);
            return;
        }
    }
    for (int index = 0; index < COMMAND_COUNT; index++) fprintf(stderr, "%s\n", COMMANDS[index].about);
    refuse(command.words[0], EINVAL);
}

int main(int argc, char **argv)
{
    static struct program program;
    static char line[4096];
    setvbuf(stdout, NULL, _IOLBF, 0);
    program.context = open_device(argc > 1 ? argv[1] : NULL);
    if (program.context == NULL) {
        refuse("open", errno);
        return 1;
    }
    answer("%s %d", ibv_get_device_name(program.context->device), (int)getpid());
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strcmp(line, "quit\n") == 0) return 0;
        if (strcmp(line, "close\n") != 0) {
            obey(&program, line);
            continue;
        }
        int error = ibv_close_device(program.context);
        if (error != 0) refuse("close", error);
        else answer("closed");
        return 0;
    }
    return 0;
}
