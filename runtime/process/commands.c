/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, and the two that only show something. */
#include "process_internal.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define GROUPS_WORK                                                                                \
    (GROUP_DATABASE | GROUP_STORE | GROUP_FETCH | GROUP_WORKER | GROUP_PROCESS | GROUP_ANY)
#define GROUPS_ALL (GROUPS_WORK | GROUP_CRAWL)
#define GROUPS_LOOK (GROUP_FETCH | GROUP_LOG | GROUP_ANY | GROUP_JSON | GROUP_BATCH)

const struct command commands[] = {
    {"crawl", "URL... [options]", "crawl from these URLs and store every page",
     "Fetches the pages, follows their links, stores one document a page. The same command after "
     "an\n"
     "interruption goes on where it was; after a complete crawl it starts anew.\n"
     "  gleaner crawl https://example.org/ --depth 3\n"
     "  gleaner crawl https://example.org/ --to mongodb://localhost/app --collection pages\n"
     "  gleaner crawl https://example.org/ --to pages.jsonl\n"
     "  gleaner crawl https://example.org/ --to - | jq -r .title\n"
     "A file of --to holds one crawl: what is found in it of an earlier run of the same is "
     "replaced,\n"
     "of another it is refused (--fresh replaces it). Its frontier is in --data.\n",
     GROUPS_ALL | GROUP_ONLY_CRAWL | GROUP_JSON, command_crawl},
    {"run", "[options]", "the service: take jobs from the queue until it is told to stop",
     "Claims submitted jobs, fetches them, runs their module, stores what it finds. SIGTERM hands\n"
     "back what is not finished; SIGHUP rereads the configuration.\n",
     GROUPS_WORK | GROUP_JSON, command_run},
    {"submit", "URL... [options]", "put a job into the queue",
     "Into the queue of --to; with the embedded store the process that runs in --data takes it.\n"
     "  gleaner submit https://example.org/page --type text\n",
     GROUP_DATABASE | GROUP_STORE | GROUP_LOG | GROUP_ANY | GROUP_ONLY_SUBMIT, command_submit},
    {"scan", "DIRECTORY [options]", "store the text files of a directory and those below it",
     "md, txt, html, css, js, py and php, each as one document of bambicontents. Never follows a\n"
     "symbolic link, never leaves the directory; hidden names are left out. The same again "
     "replaces.\n"
     "  gleaner scan notes/ --to mongodb://localhost/app\n",
     GROUP_DATABASE | GROUP_STORE | GROUP_WORKER | GROUP_LOG | GROUP_ANY | GROUP_JSON |
         GROUP_ONLY_SCAN,
     command_scan},
    {"search", "QUERY [options]", "find words in the stored documents",
     "All words must be there, -word must not, \"two words\" stand together. Exit code 1: nothing "
     "found.\n"
     "Works beside a running process; a server needs a text index once (--make-index).\n"
     "  gleaner search 'asyncio -trio \"event loop\"' --limit 5\n"
     "  gleaner search notes --collection bambicontents --to mongodb://localhost/app\n",
     GROUP_DATABASE | GROUP_STORE | GROUP_LOG | GROUP_ANY | GROUP_JSON | GROUP_ONLY_SEARCH,
     command_search},
    {"profile", "NAME [options]", "one profile, within a second whatever its server does",
     "Of MONGODB_PROFILES, else of --to; collection profiles, field username. What the server "
     "said\n"
     "last is kept in --data. Exit code 0: from the server now; 1: the server has none; 4: stale,\n"
     "the last known one; 6: never known, a default. --json: {source, ageMs, reason, profile}.\n"
     "  gleaner profile ada --to mongodb://localhost/app --json\n",
     GROUP_DATABASE | GROUP_DATA | GROUP_LOG | GROUP_ANY | GROUP_JSON, command_profile},
    {"queue", "stats|list|dead|retry|drop [options]", "the jobs of the service, the URLs of crawls",
     "stats  how many are ready, waiting, in work, done, dead; each queue on a line\n"
     "list   the jobs: state, name, type, attempts/deliveries, URL, why they failed\n"
     "dead   those that were given up\n"
     "retry  dead jobs are tried again as if they were new (--state waiting: at once)\n"
     "drop   open jobs are never worked on; they are kept as dead ones, so that a crawl does not\n"
     "       find them anew, and retry takes them back\n"
     "Of --to mongodb://..., else of --data, also while a process works there. Exit code 1: no "
     "job\n"
     "was changed.\n"
     "  gleaner queue retry --url 'https://example.org/*' --to mongodb://localhost/app\n",
     GROUP_DATABASE | GROUP_STORE | GROUP_LOG | GROUP_ANY | GROUP_JSON | GROUP_ONLY_QUEUE,
     command_queue},
    {"worker", "--stdio [options]", "the application's worker as a child process, by messages",
     "One JSON object a line: {type: scrape_url | scrape_images | scrape_videos | scan_directory "
     "|\n"
     "search_content | shutdown, url | directory | query, requestId}. One reply for each, in any\n"
     "order: {type: scrape_result | scan_result | search_result | shutdown_result | error,\n"
     "data: {success, message, contentFound, content, error?}, requestId}. What is found is "
     "stored.\n"
     "It ends when its input does, after the last reply.\n",
     GROUP_DATABASE | GROUP_STORE | GROUP_FETCH | GROUP_WORKER | GROUP_PROCESS | GROUP_ANY |
         GROUP_ONLY_WORKER,
     command_worker},
    {"export", "[options]", "print the stored documents",
     "Works beside a running process. CSV has the columns of the first document.\n"
     "  gleaner export --format csv > pages.csv\n",
     GROUP_DATABASE | GROUP_STORE | GROUP_LOG | GROUP_ANY | GROUP_ONLY_EXPORT, command_export},
    {"status", "[options]", "what the process in this data directory is doing",
     "Asks it through the socket in --data. Also there: curl --unix-socket DIR/gleaner.sock\n"
     "http://gleaner/metrics (Prometheus), /status, /status.json.\n",
     GROUP_DATA | GROUP_LOG | GROUP_ANY | GROUP_JSON, command_status},
    {"spool", "list|show NUMBER|drain|export [options]", "documents that wait for their server",
     "list    what waits in --data, for whom and since when; works beside a running process\n"
     "show    one document as JSON\n"
     "drain   deliver them now; without --to where they belong, if that needs no password\n"
     "export  print all of them, as gleaner export does\n",
     GROUP_DATABASE | GROUP_STORE | GROUP_LOG | GROUP_ANY | GROUP_ONLY_EXPORT, command_spool},
    {"drain", "[options]", "the same as gleaner spool drain",
     "  gleaner drain --to mongodb://localhost/app\n",
     GROUP_DATABASE | GROUP_STORE | GROUP_LOG | GROUP_ANY, command_drain},
    {"scrape", "URL|FILE [options]", "show what would be stored of one page; store nothing",
     "Exit code 0: something would be stored. With --batch: {html, url, content_type?} a line, or\n"
     "html_b64 for bytes that are not UTF-8.\n"
     "  gleaner scrape https://example.org/ --json\n"
     "  gleaner scrape page.html --url https://example.org/page --type image\n",
     GROUPS_LOOK | GROUP_WORKER | GROUP_CRAWL | GROUP_ONLY_SCRAPE | GROUP_PAGE_URL, command_scrape},
    {"robots", "URL [options]", "may this URL be fetched, and which line of robots.txt says so",
     "Exit code 0: allowed, 1: forbidden. With --batch: {robots, agent, url} a line.\n"
     "  gleaner robots https://example.org/private/ --agent mybot\n",
     GROUPS_LOOK | GROUP_ONLY_ROBOTS, command_robots},
    {"url", "BASE HREF [options]", "resolve a link, and say whether a crawl would follow it",
     "Exit code 0: in scope of a crawl that starts at BASE. With --batch: {base, href} a line.\n"
     "  gleaner url https://example.org/docs/ ../about?x=1 --include '*about*'\n",
     GROUP_CRAWL | GROUP_LOG | GROUP_ANY | GROUP_JSON | GROUP_BATCH, command_url},
    {"fetch", "[-v] URL [options]", "fetch one URL as a crawl would, and print its body",
     "With --batch: {url} a line.\n"
     "  gleaner fetch -v https://example.org/ > page.html\n",
     GROUPS_LOOK | GROUP_ONLY_FETCH, command_fetch},
    {"sitemap", "URL|FILE [options]", "print the URLs of a sitemap, a feed or a list of URLs",
     "An index gives lines `Sitemap: URL`. With --batch: {body, url} a line, or body_b64 (gzip).\n"
     "  gleaner sitemap https://example.org/sitemap.xml.gz\n",
     GROUPS_LOOK | GROUP_PAGE_URL, command_sitemap},
    {"config", "[options]", "print every setting, its value and where that came from",
     "Sources, from weakest: defaults, configuration file, .env, environment, command line. The\n"
     "names are those of the file: database.uri is `uri:` under `database:`. Every option of the\n"
     "other commands is taken, to show what it would do. --live asks the process in --data.\n",
     GROUPS_ALL | GROUP_ONLY_CONFIG, command_config},
    {"set", "KEY=VALUE... [options]", "change settings of the process in this data directory",
     "All of them or none. What cannot change while it runs is refused by name. It holds until "
     "the\n"
     "process ends; gleaner config --live shows what is in force.\n"
     "  gleaner set fetch.delay_ms=500 fetch.per_host=2 process.log_level=info\n",
     GROUP_DATA | GROUP_LOG | GROUP_ANY, command_set},
    {"reload", "[options]", "let the process in this data directory read its files again",
     "The same as SIGHUP: the configuration is read again, and what can change while it runs "
     "holds\n"
     "at once; modules whose file was replaced are loaded anew, new jobs go to them, old ones end\n"
     "in the old one. Replace a module with mv or install, never by writing into it.\n",
     GROUP_DATA | GROUP_LOG | GROUP_ANY, command_reload},
};
const size_t commands_count = BASE_ARRAY_LEN(commands);

unsigned settings_groups_of(const char *command)
{
    for (size_t i = 0; i < commands_count; i++) {
        if (strcmp(commands[i].name, command) == 0) {
            return commands[i].groups;
        }
    }
    return 0;
}

void print_error(const struct base_error *error)
{
    char text[sizeof error->message + 64];
    base_redact_uri(error->message, text, sizeof text);
    (void)fprintf(stderr, "gleaner: %s\n", text);
}

/* Is it a pipe or socket that nobody reads? */
static bool is_unread(int fd)
{
    struct pollfd look = {.fd = fd, .events = POLLOUT};
    return poll(&look, 1, 0) == 1 && (look.revents & (POLLERR | POLLHUP)) != 0;
}

int end_output(FILE *out, int code)
{
    bool was_good = ferror(out) == 0; /* else errno is of something that came later */
    bool is_good = fflush(out) == 0 && was_good;
    int reason = errno;
    if (is_good || is_unread(fileno(out))) { /* `| head` has seen enough */
        return code;
    }
    struct base_error error;
    (void)base_error_set(&error, GLEANER_E_IO, "the output could not be written%s%s",
                         was_good ? ": " : "", was_good ? strerror(reason) : "");
    print_error(&error);
    return EXIT_OTHER;
}

int command_config(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    if (settings->live) {
        return command_config_live(settings);
    }
    struct base_buffer text = {0};
    settings_print(settings, &text);
    (void)fwrite(text.data, 1, text.len, stdout);
    bool is_whole = !text.failed;
    base_buffer_fini(&text);
    return end_output(stdout, is_whole ? EXIT_COMPLETE : EXIT_OTHER);
}

int command_status(struct settings *settings, int argc, char *const argv[])
{
    (void)argc;
    (void)argv;
    struct base_buffer text = {0};
    struct base_error error = {0};
    enum gleaner_status status =
        admin_ask(settings->data, settings->json ? "/status.json" : "/status", NULL, &text, &error);
    if (status != GLEANER_OK) {
        print_error(&error);
        base_buffer_fini(&text);
        return EXIT_OTHER;
    }
    (void)fwrite(text.data, 1, text.len, stdout);
    base_buffer_fini(&text);
    return end_output(stdout, EXIT_COMPLETE);
}
