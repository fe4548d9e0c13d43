/* SPDX-License-Identifier: Apache-2.0 */
/* How much CPU does the text module take for a page?
 *
 *   bench_extract [--module FILE] [--rounds N] [--markdown] ADDRESS FOLDER [ADDRESS FOLDER ...]
 *       every *.html below FOLDER, from memory, sites interleaved round by round; medians
 *   bench_extract [--module FILE] [--markdown] --json
 *       lines "ADDRESS<tab>FILE" on standard input, one line of JSON each on standard output */
#include "corpus.h"
#include "memcpy_host.h"
#include "page_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#define MAX_SITES 8
#define MAX_ROUNDS 1000

struct options {
    const char *module;
    unsigned rounds;
    bool markdown;
    bool json;
    int first_site; /* index into argv */
};

static struct gleaner_page page_of(const struct options *options, const char *url,
                                   const struct base_buffer *body)
{
    return (struct gleaner_page){
        .size = sizeof(struct gleaner_page),
        .url = url,
        .url_len = strlen(url),
        .body = body->data,
        .body_len = body->len,
        .content_type = "text/html",
        .charset = "UTF-8",
        .type = "page",
        .http_status = 200,
        .fetched_at_ms = 1700000000000,
        .want_markdown = options->markdown,
        .want_links = true,
    };
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * BASE_NS_PER_S + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void run_round(const struct options *options, const struct module_use *use,
                      const struct corpus *corpus, struct memcpy_sink *sink)
{
    for (size_t i = 0; i < corpus->count; i++) {
        struct gleaner_page page = page_of(options, corpus->pages[i].url, &corpus->pages[i].body);
        (void)use->module->handle(use->state, &memcpy_host, (struct gleaner_task *)(void *)sink,
                                  &page);
    }
}

static void print_site(const struct corpus *corpus, uint64_t *times, unsigned rounds,
                       const struct memcpy_sink *sink)
{
    qsort(times, rounds, sizeof *times, by_value);
    double pages = (double)corpus->count;
    double median = (double)times[rounds / 2];
    printf("%s: %zu pages of %.1f kB: %.3f ms a page (%.3f to %.3f), %.0f MB/s; a page gives %.1f "
           "kB of document and %.1f links; %.1f tree passes a round\n",
           corpus->name, corpus->count, (double)corpus->bytes / pages / 1e3, median / pages / 1e6,
           (double)times[0] / pages / 1e6, (double)times[rounds - 1] / pages / 1e6,
           (double)corpus->bytes * 1e3 / median,
           (double)sink->bytes / (double)sink->documents / 1e3,
           (double)sink->links / (double)sink->documents, (double)sink->tree_passes / (rounds + 1));
}

static int bench(const struct options *options, struct module_registry *registry, char **sites,
                 int count)
{
    static struct corpus corpora[MAX_SITES];
    static struct memcpy_sink sinks[MAX_SITES];
    static uint64_t times[MAX_SITES][MAX_ROUNDS];
    for (int i = 0; i < count; i++) {
        if (!corpus_load(&corpora[i], sites[2 * i], sites[2 * i + 1])) {
            fprintf(stderr, "%s: no HTML files, or not readable\n", sites[2 * i + 1]);
            return 1;
        }
    }
    struct module_use use;
    if (module_acquire(registry, "page", &use) != GLEANER_OK) {
        return 1;
    }
    struct utsname machine;
    uname(&machine);
    printf("machine=%s %s rounds=%u markdown=%d\n", machine.sysname, machine.machine,
           options->rounds, options->markdown);
    for (int i = 0; i < count; i++) { /* warm */
        run_round(options, &use, &corpora[i], &sinks[i]);
    }
    for (unsigned round = 0; round < options->rounds; round++) {
        for (int i = 0; i < count; i++) {
            uint64_t start = cpu_ns();
            run_round(options, &use, &corpora[i], &sinks[i]);
            times[i][round] = cpu_ns() - start;
        }
    }
    for (int i = 0; i < count; i++) {
        print_site(&corpora[i], times[i], options->rounds, &sinks[i]);
        corpus_fini(&corpora[i]);
        free(sinks[i].data);
    }
    module_release(registry, &use);
    return 0;
}

static int print_json(const struct options *options, struct module_registry *registry)
{
    static struct page_result result;
    char line[8192];
    struct base_buffer body = {0};
    struct base_buffer out = {0};
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *file = strchr(line, '\t');
        base_buffer_reset(&body, SIZE_MAX);
        base_buffer_reset(&out, SIZE_MAX);
        if (file == NULL || (*file++ = '\0', !corpus_read_file(file, &body))) {
            fprintf(stderr, "%s: not readable\n", line);
            return 1;
        }
        struct gleaner_page page = page_of(options, line, &body);
        if (page_host_run(registry, &page, &result) != GLEANER_OK) {
            return 1;
        }
        page_result_json(&result, &out);
        puts(out.data);
    }
    page_result_fini(&result);
    base_buffer_fini(&body);
    base_buffer_fini(&out);
    return 0;
}

static bool read_options(int argc, char **argv, struct options *options)
{
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            options->json = true;
        } else if (strcmp(argv[i], "--markdown") == 0) {
            options->markdown = true;
        } else if (strcmp(argv[i], "--module") == 0 && i + 1 < argc) {
            options->module = argv[++i];
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            options->rounds = (unsigned)strtoul(argv[++i], NULL, 10);
        } else {
            return false;
        }
    }
    options->first_site = i;
    int rest = argc - i;
    return options->rounds >= 1 && options->rounds <= MAX_ROUNDS &&
           (options->json ? rest == 0 : rest >= 2 && rest % 2 == 0 && rest / 2 <= MAX_SITES);
}

int main(int argc, char **argv)
{
    struct options options = {.module = TEXT_MODULE, .rounds = 15};
    if (!read_options(argc, argv, &options)) {
        fprintf(stderr,
                "usage: %s [--module FILE] [--rounds N] [--markdown] ADDRESS FOLDER ...\n"
                "       %s [--module FILE] [--markdown] --json\n",
                argv[0], argv[0]);
        return argc == 1 ? 77 : 2; /* 77: skipped, no pages were named */
    }
    sync_init();
    base_log_set_level(BASE_LOG_WARN);
    struct module_registry *registry = NULL;
    struct base_error error = {0};
    int code = 1;
    if (module_registry_create(options.json ? &page_host : &memcpy_host, &registry) != GLEANER_OK ||
        module_load(registry, options.module, &error) != GLEANER_OK) {
        fprintf(stderr, "%s\n", error.message);
    } else if (options.json) {
        code = print_json(&options, registry);
    } else {
        code =
            bench(&options, registry, argv + options.first_site, (argc - options.first_site) / 2);
    }
    module_registry_destroy(&registry);
    return code;
}
