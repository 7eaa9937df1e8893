// Three processes and three rings: what the machine allows an endpoint between two applications.
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "application.h"
#include "endpoint.h"

enum role { role_a, role_e, role_b };

static void pin(int processor) {
    if (processor < 0) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) err(1, "sched_setaffinity %d", processor);
}

static void run_application(const struct options *options, const struct regions *regions, enum role role) {
    struct application application;
    application_open(&application, options, regions, role == role_a ? 0 : 1);
    if (options->mode == mode_send_pingpong || options->mode == mode_write_pingpong) {
        run_pingpong(&application, role == role_a);
    } else if (role == role_a) {
        atomic_fetch_add(&application.control->ready, 1);
        while (atomic_load(&application.control->ready) < 3) sched_yield();
        run_stream_requester(&application);
    } else {
        run_stream_responder(&application);
    }
}

static pid_t spawn(const struct options *options, const struct regions *regions, enum role role) {
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0) err(1, "fork");
    if (child > 0) return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    pin(options->pin[role]);
    if (role == role_e)
        run_endpoint(options, regions);
    else
        run_application(options, regions, role);
    _exit(0);
}

static void report(const struct options *options, const struct result *result, bool verified) {
    double seconds = (double)result->nanoseconds / 1e9;
    double rate = seconds > 0 ? (double)result->operations / seconds : 0;
    printf("{\"program\":\"ringmodel\",\"test\":\"%s\",\"sizeBytes\":%u,\"depth\":%u,\"buffers\":%u,"
           "\"signalEvery\":%u,\"postList\":%u,\"endpointWait\":\"%s:%u\",\"applicationWait\":\"%s:%u\","
           "\"sleepCheck\":%s,\"pin\":[%d,%d,%d],\"operations\":%" PRIu64 ",\"seconds\":%.6f,\"verified\":%s",
           mode_name(options->mode), options->size_bytes, options->depth, options->buffers, options->signal_every,
           options->post_list, wait_name(options->endpoint.kind), options->endpoint.spins,
           wait_name(options->application.kind), options->application.spins, options->sleep_check ? "true" : "false",
           options->pin[role_a], options->pin[role_e], options->pin[role_b], result->operations, seconds,
           verified ? "true" : "false");
    if (result->samples > 0)
        printf(",\"halfRoundTripNanoseconds\":{\"median\":%.1f,\"minimum\":%.1f,\"maximum\":%.1f,\"p99\":%.1f}",
               result->half_round_trip_median, result->half_round_trip_minimum, result->half_round_trip_maximum,
               result->half_round_trip_p99);
    else
        printf(",\"messagesPerSecond\":%.1f,\"bytesPerSecond\":%.1f", rate, rate * options->size_bytes);
    puts("}");
}

// In a stream, every slot that B received into must equal the slot that A sent from.
static bool payload_arrived(const struct options *options, const struct regions *regions) {
    if (options->mode == mode_send_pingpong || options->mode == mode_write_pingpong) return true;
    struct side a = map_side(regions, 0), b = map_side(regions, 1);
    return memcmp(a.payload, b.payload + outgoing_bytes(options), outgoing_bytes(options)) == 0;
}

int main(int count, char **arguments) {
    struct options options = parse_options(count, arguments);
    struct regions regions = create_regions(&options);
    struct control *control = map_region(&regions.control);
    pid_t children[3];
    for (int role = 0; role < 3; role++) children[role] = spawn(&options, &regions, (enum role)role);

    // A ends the run; any other child that ends before it has failed, and so has one that takes far too long.
    alarm(options.duration_milliseconds / 1000 * 2 + 20);
    bool failed = false;
    for (int left = 3; left > 0; left--) {
        int status = 0;
        pid_t child = wait(&status);
        if (child < 0) err(1, "wait");
        bool first = left == 3;
        if (status != 0 || (first && child != children[role_a])) failed = true;
        atomic_store(&control->stop, 1);
        for (int role = 0; failed && role < 3; role++)
            if (children[role] != child) kill(children[role], SIGKILL);
    }
    bool verified = !failed && atomic_load(&control->failed) == 0 && control->result.operations > 0 &&
                    payload_arrived(&options, &regions);
    report(&options, &control->result, verified);
    return verified ? 0 : 1;
}
