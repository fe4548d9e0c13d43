/* SPDX-License-Identifier: Apache-2.0 */
/* Where a URI leads: the seeds that somebody without the driver can ask. The driver resolves SRV
 * records while it builds a pool and keeps the answer to itself. */
#include "mongo_internal.h"

#include <arpa/nameser.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SRV_PREFIX "_mongodb._tcp."
#define DNS_TRIES 2
#define DNS_TRY_S 2 /* two tries end before a connector is given up */

static void add(struct mongo_seeds *seeds, const char *host, unsigned port)
{
    if (seeds->count < MONGO_SEEDS_MAX) {
        struct mongo_seed *seed = &seeds->at[seeds->count++];
        snprintf(seed->host, sizeof seed->host, "%s", host);
        snprintf(seed->port, sizeof seed->port, "%u", port);
    }
}

/* ---- the answer of a name server, RFC 1035 section 4.1 (libresolv's ns_parserr() would be one
 * more library for whoever links us) ---- */

struct answer {
    const unsigned char *begin, *at, *end;
};

static unsigned take_16(struct answer *answer)
{
    unsigned value = (unsigned)answer->at[0] << 8 | answer->at[1];
    answer->at += 2;
    return value;
}

static bool skip_name(struct answer *answer, size_t needed_after)
{
    int length = dn_skipname(answer->at, answer->end);
    if (length < 0 || (size_t)(answer->end - answer->at - length) < needed_after) {
        return false;
    }
    answer->at += length;
    return true;
}

/* An SRV record's data: priority, weight, port, target (RFC 2782). */
static void add_record(struct mongo_seeds *seeds, const struct answer *answer, unsigned length)
{
    struct answer data = {answer->begin, answer->at, answer->at + length};
    char target[256];
    if (length < 7) {
        return;
    }
    data.at += 4;
    unsigned port = take_16(&data);
    if (dn_expand(answer->begin, answer->end, data.at, target, sizeof target) >= 0) {
        add(seeds, target, port);
    }
}

static void read_answer(struct mongo_seeds *seeds, const unsigned char *begin, size_t length)
{
    const size_t header = 12, question = 4, record = 10;
    struct answer answer = {begin, begin + 4, begin + length};
    if (length < header) {
        return;
    }
    unsigned questions = take_16(&answer), records = take_16(&answer);
    answer.at = begin + header;
    for (unsigned i = 0; i < questions; i++) {
        if (!skip_name(&answer, question)) {
            return;
        }
        answer.at += question;
    }
    for (unsigned i = 0; i < records && skip_name(&answer, record); i++) {
        unsigned type = take_16(&answer);
        answer.at += 6; /* class, time to live */
        unsigned size = take_16(&answer);
        if (size > (size_t)(answer.end - answer.at)) {
            return;
        }
        if (type == ns_t_srv) {
            add_record(seeds, &answer, size);
        }
        answer.at += size;
    }
}

static enum gleaner_status refuse(const char *host, bool is_silent, struct base_error *error)
{
    return base_error_set(error, is_silent ? GLEANER_E_TIMEOUT : GLEANER_E_NETWORK,
                          is_silent ? "DNS does not answer (SRV records of %s)"
                                    : "DNS has no SRV records for %s; see the host in the URI",
                          host);
}

static enum gleaner_status ask_srv(const char *host, struct mongo_seeds *seeds,
                                   struct base_error *error)
{
    unsigned char answer[NS_MAXMSG];
    char name[sizeof SRV_PREFIX + 256];
    struct __res_state state = {0};
    snprintf(name, sizeof name, SRV_PREFIX "%s", host);
    if (res_ninit(&state) != 0) {
        return refuse(host, false, error);
    }
    state.retry = DNS_TRIES;
    state.retrans = DNS_TRY_S;
    int length = res_nquery(&state, name, ns_c_in, ns_t_srv, answer, sizeof answer);
    bool is_silent = length < 0 && state.res_h_errno == TRY_AGAIN;
    res_nclose(&state);
    if (length > 0) {
        read_answer(seeds, answer, (size_t)length);
    }
    if (is_silent) {
        return refuse(host, true, error);
    }
    return seeds->count > 0 ? GLEANER_OK : refuse(host, false, error);
}

enum gleaner_status mongo_seeds_find(const char *text, struct mongo_seeds *out,
                                     struct base_error *error)
{
    memset(out, 0, sizeof *out);
    mongoc_uri_t *uri = mongo_uri_parse(text, error);
    if (uri == NULL) {
        return GLEANER_E_CONFIG;
    }
    enum gleaner_status status = GLEANER_OK;
    const char *srv = mongoc_uri_get_srv_hostname(uri);
    out->uses_tls = srv != NULL ? mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLS, true)
                                : mongoc_uri_get_tls(uri);
    if (srv != NULL) {
        status = ask_srv(srv, out, error);
    }
    const mongoc_host_list_t *host = srv == NULL ? mongoc_uri_get_hosts(uri) : NULL;
    for (; host != NULL; host = host->next) {
        if (host->family != AF_UNIX) {
            add(out, host->host, host->port);
        }
    }
    out->is_set = !mongoc_uri_get_option_as_bool(uri, MONGOC_URI_DIRECTCONNECTION, false) &&
                  (srv != NULL || out->count > 1 || mongoc_uri_get_replica_set(uri) != NULL);
    mongoc_uri_destroy(uri);
    return status;
}

/* ---- the members that the driver has found ---- */

static bool is_named(const mongoc_uri_t *uri, const char *host_and_port)
{
    const mongoc_host_list_t *host = mongoc_uri_get_hosts(uri);
    while (host != NULL && strcasecmp(host->host_and_port, host_and_port) != 0) {
        host = host->next;
    }
    return host != NULL;
}

/* ",host:port" of each in this list of the primary's that the URI does not name. */
static void list_unnamed(const mongoc_uri_t *uri, const bson_t *hello, const char *list,
                         struct base_buffer *out)
{
    bson_iter_t hosts, host;
    if (!bson_iter_init_find(&hosts, hello, list) || !BSON_ITER_HOLDS_ARRAY(&hosts) ||
        !bson_iter_recurse(&hosts, &host)) {
        return;
    }
    while (bson_iter_next(&host)) {
        const char *name = bson_iter_utf8(&host, NULL);
        if (name != NULL && !is_named(uri, name)) {
            base_buffer_append_char(out, ',');
            base_buffer_append_str(out, name);
        }
    }
}

/* The primary says who belongs to its set: away or not, as far as they may become primary or tell
 * who is. */
static void list_members(const mongoc_uri_t *uri, mongo_client *client, struct base_buffer *out)
{
    size_t count = 0;
    mongoc_server_description_t **servers = mongoc_client_get_server_descriptions(client, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(mongoc_server_description_type(servers[i]), "RSPrimary") == 0) {
            const bson_t *hello = mongoc_server_description_hello_response(servers[i]);
            list_unnamed(uri, hello, "hosts", out);
            list_unnamed(uri, hello, "passives", out);
        }
    }
    mongoc_server_descriptions_destroy_all(servers, count);
}

/* Its hosts end where the database or the options begin; the driver has read the text before, so
 * that no '/' or '?' stands in user name or password. */
static char *insert_after_hosts(const char *text, const char *hosts)
{
    const size_t scheme = sizeof "mongodb://" - 1;
    size_t length = scheme + strcspn(text + scheme, "/?");
    struct base_buffer whole = {0};
    base_buffer_append(&whole, text, length);
    base_buffer_append_str(&whole, hosts);
    base_buffer_append_str(&whole, text + length);
    char *copy = whole.failed ? NULL : strdup(whole.data);
    base_buffer_fini(&whole);
    return copy;
}

char *mongo_client_find_members(mongo_client *client, const char *text)
{
    mongoc_uri_t *uri = mongoc_uri_new(text);
    bool is_set = uri != NULL && mongoc_uri_get_srv_hostname(uri) == NULL &&
                  mongoc_uri_get_replica_set(uri) != NULL &&
                  !mongoc_uri_get_option_as_bool(uri, MONGOC_URI_DIRECTCONNECTION, false);
    char *found = NULL;
    if (is_set) {
        struct base_buffer hosts = {0};
        list_members(uri, client, &hosts);
        if (!hosts.failed && hosts.len > 0) {
            found = insert_after_hosts(text, hosts.data);
        }
        base_buffer_fini(&hosts);
    }
    mongoc_uri_destroy(uri); /* accepts NULL */
    return found;
}
