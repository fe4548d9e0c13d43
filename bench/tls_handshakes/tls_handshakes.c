/* SPDX-License-Identifier: Apache-2.0 */
/* How many new verified TLS connections a second and core?
 *
 * bench_tls_handshakes [REQUESTS [ROUNDS]]: nginx with a certificate of an own CA, which stands in
 * a bundle behind the system's 140 others; no session is resumed, no connection kept. Each request
 * is a new connection, verified. Prints connections per second of this process's CPU (median of the
 * rounds). Ends with 1 below 300; with 77 where nginx or openssl is missing. A run with an empty
 * bundle shows that the verification is real. */
#include "fetch.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BAR 300
#define ROUNDS_MAX 99
#define SKIPPED 77

static char directory[64] = "/tmp/gleaner-tls-XXXXXX";
static unsigned port;

static const char making[] =
    "cd %s && exec 2>/dev/null && openssl ecparam -genkey -name prime256v1 -out ca.key && "
    "openssl req -x509 -new -key ca.key -days 2 -subj '/CN=bench CA' -out ca.pem && "
    "openssl ecparam -genkey -name prime256v1 -out key.pem && "
    "openssl req -new -key key.pem -subj /CN=localhost -out req.pem && "
    "printf 'subjectAltName=IP:127.0.0.1' > ext && "
    "openssl x509 -req -in req.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext "
    "-out cert.pem && cat /etc/ssl/certs/ca-certificates.crt ca.pem > bundle.pem && "
    "cat /etc/ssl/certs/ca-certificates.crt > other.pem";

static bool run_shell(const char *command)
{
    return system(command) == 0; /* NOLINT(cert-env33-c): made of constants */
}

static bool make_certificates(void)
{
    char command[2000];
    if (mkdtemp(directory) == NULL) {
        return false;
    }
    snprintf(command, sizeof command, making, directory);
    return run_shell(command);
}

static bool write_configuration(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/nginx.conf", directory);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return false;
    }
    (void)fprintf(file,
                  "daemon off; worker_processes 1; pid pid; error_log stderr crit; user root;\n"
                  "events { worker_connections 1024; }\n"
                  "http { access_log off; keepalive_timeout 0; ssl_session_cache off;\n"
                  "ssl_session_tickets off; client_body_temp_path b; proxy_temp_path p;\n"
                  "fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;\n"
                  "server { listen 127.0.0.1:%u ssl; ssl_certificate cert.pem;\n"
                  "ssl_certificate_key key.pem; location / { return 200 'fine'; } } }\n",
                  port);
    return fclose(file) == 0;
}

static pid_t start_nginx(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/nginx.conf", directory);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        execlp("nginx", "nginx", "-p", directory, "-c", path, (char *)NULL);
        execl("/usr/sbin/nginx", "nginx", "-p", directory, "-c", path, (char *)NULL);
        _exit(SKIPPED);
    }
    return pid;
}

static double cpu_seconds(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* How many of `count` requests got an answer; `reason` of the last that did not. */
static size_t fetch_some(struct fetch_engine *engine, size_t count, char *reason, size_t size)
{
    size_t ok = 0;
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%u/", port);
    struct fetch_request request = {.url = url};
    for (size_t i = 0; i < count; i++) {
        if (fetch_submit(engine, &request) != GLEANER_OK) {
            exit(2);
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct fetch_result *result;
        if (fetch_next(engine, BASE_NO_DEADLINE, &result) != GLEANER_OK) {
            exit(2);
        }
        ok += result->fetch_class == FETCH_OK;
        if (result->fetch_class != FETCH_OK) {
            snprintf(reason, size, "%s: %.150s", fetch_class_name(result->fetch_class),
                     result->reason);
        }
        fetch_result_free(&result);
    }
    return ok;
}

static struct fetch_engine *start_engine(const char *bundle)
{
    static const char *const loopback[] = {"127.0.0.0/8"};
    char path[128];
    struct fetch_options options;
    struct fetch_engine *engine;
    struct base_error error;
    snprintf(path, sizeof path, "%s/%s", directory, bundle);
    fetch_options_init(&options);
    options.ca_file = path;
    options.use_robots = false;
    options.allow_net = loopback;
    options.allow_net_count = 1;
    options.max_per_host = 16;
    if (fetch_engine_start(&options, &engine, &error) != GLEANER_OK) {
        exit(2);
    }
    return engine;
}

/* nginx says nothing when it listens: ask until it answers. */
static bool wait_for_nginx(struct fetch_engine *engine, pid_t nginx)
{
    char reason[200];
    while (fetch_some(engine, 1, reason, sizeof reason) == 0) {
        if (waitpid(nginx, NULL, WNOHANG) != 0) {
            return false;
        }
        usleep(10000);
    }
    return true;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int measure(struct fetch_engine *engine, size_t requests, unsigned long rounds)
{
    double rates[ROUNDS_MAX];
    char reason[200] = "";
    for (unsigned long i = 0; i < rounds; i++) {
        struct fetch_stats before, after;
        fetch_read_stats(engine, &before);
        double cpu = cpu_seconds();
        uint64_t start_ns = base_mono_ns();
        size_t ok = fetch_some(engine, requests, reason, sizeof reason);
        cpu = cpu_seconds() - cpu;
        double seconds = (double)(base_mono_ns() - start_ns) / 1e9;
        fetch_read_stats(engine, &after);
        uint64_t connections = after.connections - before.connections;
        rates[i] = (double)connections / cpu;
        printf("round %lu: %zu of %zu answered, %llu connections, %.0f a CPU-second, %.0f a second "
               "%s\n",
               i + 1, ok, requests, (unsigned long long)connections, rates[i],
               (double)connections / seconds, reason);
        if (ok != requests || connections < requests) {
            return 2;
        }
    }
    qsort(rates, rounds, sizeof *rates, compare);
    bool is_good = rates[rounds / 2] >= BAR;
    printf("new verified TLS connections per second and core: %.0f median, %.0f..%.0f (bar %d): "
           "%s\n",
           rates[rounds / 2], rates[0], rates[rounds - 1], BAR, is_good ? "met" : "MISSED");
    return is_good ? 0 : 1;
}

int main(int argc, char **argv)
{
    size_t requests = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
    unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 3;
    char reason[200] = "nothing", command[128];
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    port = 20000 + (unsigned)getpid() % 10000;
    sync_init();
    if (!make_certificates() || !write_configuration()) {
        fprintf(stderr, "skipped: needs openssl and the system's CA bundle\n");
        return SKIPPED;
    }
    pid_t nginx = start_nginx();
    struct fetch_engine *engine = start_engine("bundle.pem");
    int code = SKIPPED;
    if (wait_for_nginx(engine, nginx)) {
        code = measure(engine, requests, rounds);
        fetch_engine_stop(&engine);
        engine = start_engine("other.pem");
        size_t ok = fetch_some(engine, 1, reason, sizeof reason);
        printf("without the CA: %zu answered, %s\n", ok, reason);
        code = ok == 0 ? code : 1;
        kill(nginx, SIGTERM);
        waitpid(nginx, NULL, 0);
    } else {
        fprintf(stderr, "skipped: nginx does not start\n");
    }
    fetch_engine_stop(&engine);
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    (void)run_shell(command);
    return code;
}
