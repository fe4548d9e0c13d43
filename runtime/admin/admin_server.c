/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local HTTP server: libmicrohttpd on a Unix socket that only the owner of the data directory
 * can open. One thread of libmicrohttpd's own; a request is answered from figures read on it.
 */
#include "admin_internal.h"
#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERVER_MAGIC 0x61646d69u
#define BODY_MAX_BYTES 65536

struct admin_server {
    uint32_t magic;
    struct admin_server_options options;
    struct MHD_Daemon *daemon;
    char path[4200];
};

struct request {
    struct base_buffer body;
};

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned code,
                             const char *content_type, struct base_buffer *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(text->len, text->data, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result = MHD_NO;
    if (response != NULL) {
        (void)MHD_add_response_header(response, "Content-Type", content_type);
        result = MHD_queue_response(connection, code, response);
        MHD_destroy_response(response);
    }
    base_buffer_fini(text);
    return result;
}

static enum MHD_Result reply_text(struct MHD_Connection *connection, unsigned code,
                                  const char *message)
{
    struct base_buffer text = {0};
    base_buffer_printf(&text, "%s\n", message);
    return reply(connection, code, "text/plain; charset=utf-8", &text);
}

/* ---- what is offered ---- */

typedef void (*renderer)(const struct admin_sources *, const struct admin_figures *,
                         struct base_buffer *);
static const struct page {
    const char *path;
    const char *content_type;
    renderer render;
} pages[] = {
    {"/status", "text/plain; charset=utf-8", admin_render_text},
    {"/status.json", "application/json", admin_render_json},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", admin_render_metrics},
};

static enum MHD_Result answer_get(struct admin_server *server, struct MHD_Connection *connection,
                                  const char *url)
{
    for (size_t i = 0; i < BASE_ARRAY_LEN(pages); i++) {
        if (strcmp(url, pages[i].path) == 0) {
            struct admin_figures figures;
            struct base_buffer text = {0};
            admin_read(server->options.sources, ADMIN_WITH_STORE, &figures);
            pages[i].render(server->options.sources, &figures, &text);
            return reply(connection, MHD_HTTP_OK, pages[i].content_type, &text);
        }
    }
    return reply_text(connection, MHD_HTTP_NOT_FOUND,
                      "there are /status, /status.json, /metrics and POST /jobs");
}

/* POST /jobs: the first line is the type, the second the URL. */
static enum MHD_Result answer_submit(struct admin_server *server, struct MHD_Connection *connection,
                                     struct request *request)
{
    if (server->options.submit == NULL) {
        return reply_text(connection, MHD_HTTP_FORBIDDEN,
                          "this process crawls; jobs are taken by `gleaner run`");
    }
    char *type = request->body.data;
    char *url = type != NULL ? strchr(type, '\n') : NULL;
    if (url == NULL || request->body.failed) {
        return reply_text(connection, MHD_HTTP_BAD_REQUEST, "wanted: TYPE newline URL");
    }
    *url++ = '\0';
    url[strcspn(url, "\n")] = '\0';
    bool is_new = false;
    struct base_error error = {0};
    if (server->options.submit(server->options.submit_ctx, url, type, &is_new, &error) !=
        GLEANER_OK) {
        return reply_text(connection, MHD_HTTP_BAD_REQUEST, error.message);
    }
    return reply_text(connection, MHD_HTTP_OK, is_new ? "new" : "known");
}

/* ---- what the process answers itself ---- */

static const struct admin_control *find_control(const struct admin_server *server,
                                                const char *method, const char *url)
{
    const struct admin_server_options *options = &server->options;
    for (size_t i = 0; i < options->control_count; i++) {
        if (strcmp(method, options->controls[i].method) == 0 &&
            strcmp(url, options->controls[i].path) == 0) {
            return &options->controls[i];
        }
    }
    return NULL;
}

static enum MHD_Result answer_control(struct admin_server *server,
                                      const struct admin_control *control,
                                      struct MHD_Connection *connection, struct request *request)
{
    struct base_error error = {0};
    struct base_buffer text = {0};
    const char *body = request->body.data != NULL ? request->body.data : "";
    enum gleaner_status status =
        request->body.failed ? base_error_set(&error, GLEANER_E_NOMEM, "no memory for the request")
                             : control->answer(server->options.control_ctx, body, &text, &error);
    if (status == GLEANER_OK) {
        return reply(connection, MHD_HTTP_OK, "text/plain; charset=utf-8", &text);
    }
    base_buffer_fini(&text);
    bool is_theirs =
        status == GLEANER_E_CONFIG || status == GLEANER_E_INVALID || status == GLEANER_E_NOT_FOUND;
    return reply_text(connection, is_theirs ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_SERVICE_UNAVAILABLE,
                      error.message);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_size, void **per_request)
{
    (void)version;
    struct admin_server *server = ctx;
    BASE_CHECK_MAGIC(server, SERVER_MAGIC);
    struct request *request = *per_request;
    if (request == NULL) { /* headers only; the body comes with later calls */
        *per_request = calloc(1, sizeof *request);
        return *per_request != NULL ? MHD_YES : MHD_NO;
    }
    if (*data_size > 0) {
        if (request->body.len + *data_size > BODY_MAX_BYTES) {
            return MHD_NO;
        }
        base_buffer_append(&request->body, data, *data_size);
        *data_size = 0;
        return MHD_YES;
    }
    const struct admin_control *control = find_control(server, method, url);
    if (control != NULL) {
        return answer_control(server, control, connection, request);
    }
    if (strcmp(method, MHD_HTTP_METHOD_POST) == 0 && strcmp(url, "/jobs") == 0) {
        return answer_submit(server, connection, request);
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) == 0) {
        return answer_get(server, connection, url);
    }
    return reply_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET, or POST /jobs");
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **per_request,
                         enum MHD_RequestTerminationCode why)
{
    (void)ctx;
    (void)connection;
    (void)why;
    struct request *request = *per_request;
    if (request != NULL) {
        base_buffer_fini(&request->body);
        free(request);
        *per_request = NULL;
    }
}

/* ---- the socket ---- */

static int listen_on(const char *directory, const char *path, struct base_error *error)
{
    struct admin_address address;
    if (!admin_address_open(directory, &address)) {
        (void)base_error_set(error, GLEANER_E_IO, "cannot open %s: %s", directory, strerror(errno));
        return -1;
    }
    (void)unlink(path); /* we hold the directory's lock: nobody alive listens on it */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_good = fd >= 0 &&
                   bind(fd, (const struct sockaddr *)&address.socket, sizeof address.socket) == 0 &&
                   chmod(path, S_IRUSR | S_IWUSR) == 0 && listen(fd, 16) == 0;
    int saved = errno;
    admin_address_close(&address);
    if (!is_good) {
        if (fd >= 0) {
            (void)close(fd);
        }
        (void)base_error_set(error, GLEANER_E_IO, "cannot listen on %s: %s", path, strerror(saved));
        return -1;
    }
    return fd;
}

/* libmicrohttpd starts its thread itself: it inherits a mask with every signal blocked. */
static struct MHD_Daemon *start_daemon(struct admin_server *server, int fd)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO | MHD_USE_ITC, 0, NULL, NULL, on_request,
        server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_CONNECTION_LIMIT, 16u, MHD_OPTION_CONNECTION_TIMEOUT, 5u, MHD_OPTION_END);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return daemon;
}

enum gleaner_status admin_server_start(const struct admin_server_options *options,
                                       struct admin_server **out, struct base_error *error)
{
    *out = NULL;
    struct admin_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        return GLEANER_E_NOMEM;
    }
    server->magic = SERVER_MAGIC;
    server->options = *options;
    (void)snprintf(server->path, sizeof server->path, "%s/%s", options->directory,
                   ADMIN_SOCKET_NAME);
    int fd = listen_on(options->directory, server->path, error);
    if (fd < 0) {
        free(server);
        return GLEANER_E_IO;
    }
    server->daemon = start_daemon(server, fd);
    if (server->daemon == NULL) {
        (void)close(fd);
        (void)unlink(server->path);
        free(server);
        return base_error_set(error, GLEANER_E_IO, "the status server did not start");
    }
    *out = server;
    return GLEANER_OK;
}

void admin_server_stop(struct admin_server **server)
{
    if (*server == NULL) {
        return;
    }
    BASE_CHECK_MAGIC(*server, SERVER_MAGIC);
    (void)unlink((*server)->path);      /* first: a request that hangs may be left behind */
    MHD_stop_daemon((*server)->daemon); /* closes the socket */
    free(*server);
    *server = NULL;
}
